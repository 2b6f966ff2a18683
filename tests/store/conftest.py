from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.store import Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    made.open()
    yield made
    made.close()
