from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from realagent import A, Agent, B, Controller
from realbroker import RealBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealBroker]:
    real = RealBroker(tmp_path)
    real.start()
    yield real
    real.stop()


@pytest.fixture
def agent(tmp_path: Path, broker: RealBroker) -> Iterator[Agent]:
    made = Agent(tmp_path, broker.port)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.fixture
def controller(broker: RealBroker) -> Iterator[Controller]:
    made = Controller(broker.port, A, B)
    yield made
    made.link.stop()
