from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ear import Ear, connected
from proxy import Proxy
from realagent import A, Agent, B, Controller
from realbroker import RealBroker

from agent.mqtt import KEEPALIVE_S, MqttLink
from agent.wire.profile import Runtime


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealBroker]:
    real = RealBroker(tmp_path)
    real.start()
    yield real
    real.stop()


@pytest.fixture
def join(broker: RealBroker) -> Iterator[Callable[..., Ear]]:
    """Makes links that are connected, to the broker or to what stands before it at `port`."""
    ears: list[Ear] = []

    def make(
        name: str, will: tuple[str, bytes] | None = None, port: int | None = None, keepalive_s: int = KEEPALIVE_S
    ) -> Ear:
        ears.append(Ear(MqttLink("127.0.0.1", port or broker.port, name, will=will, keepalive_s=keepalive_s)))
        ears[-1].wait(connected)
        return ears[-1]

    yield make
    for each in ears:
        each.link.stop()


@pytest.fixture
def proxy(broker: RealBroker) -> Iterator[Proxy]:
    made = Proxy(broker.port)
    yield made
    made.close()


@pytest.fixture
def agent(tmp_path: Path, broker: RealBroker) -> Iterator[Agent]:
    made = Agent(tmp_path, broker.port)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.fixture(scope="session", params=Runtime)
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
