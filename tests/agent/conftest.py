from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from realbroker import RealBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealBroker]:
    real = RealBroker(tmp_path)
    real.start()
    yield real
    real.stop()
