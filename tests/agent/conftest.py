from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from realagent import A, Agent, B, Controller
from realbroker import RealBroker

from agent.wire.profile import RUNTIMES


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


@pytest.fixture(scope="session", params=RUNTIMES)
def pair(request: pytest.FixtureRequest) -> tuple[bytes, bytes]:
    """Two artifacts, for each of the runtimes."""
    if request.param == "onnxruntime":
        return A, B
    from controller.pruning.artifact.ncnn import to_ncnn

    return to_ncnn(A), to_ncnn(B)


@pytest.fixture
def controller(broker: RealBroker, request: pytest.FixtureRequest) -> Iterator[Controller]:
    more = request.getfixturevalue("pair") if "pair" in request.fixturenames else ()
    made = Controller(broker.port, A, B, *more)
    yield made
    made.link.stop()
