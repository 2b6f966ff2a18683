"""What paho does badly by itself, one test each: the link must not inherit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from ear import Ear, connected, disconnected
from fakebroker import FakeBroker
from proxy import Proxy

from agent.link import Delivered
from agent.mqtt import INFLIGHT, KEEPALIVE_S, MqttLink

pytestmark = pytest.mark.e2e


@pytest.fixture
def fake() -> Iterator[FakeBroker]:
    with closing(FakeBroker()) as made:
        yield made


@pytest.fixture
def listen() -> Iterator[Callable[..., Ear]]:
    """Makes links that need not connect."""
    with ExitStack() as stack:

        def make(port: int, keepalive_s: int = KEEPALIVE_S) -> Ear:
            ear = Ear(MqttLink("127.0.0.1", port, "a", keepalive_s=keepalive_s))
            stack.callback(ear.link.stop)
            return ear

        yield make


def test_after_an_outage_only_what_was_on_the_wire_comes_again_and_all_that_is_new(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    with closing(Proxy(fake.port)) as path:
        ear = listen(path.port)
        ear.wait(connected)
        for number in range(3 * INFLIGHT):
            assert ear.link.publish(f"old/{number}", b"")
        fake.wait_for(INFLIGHT)
        path.cut()
        ear.wait(disconnected)
        assert ear.link.publish("stale", b"") is None
        path.restore()
        ear.wait(connected)
        fresh = [ear.link.publish(f"new/{number}", b"") for number in range(5)]
        fake.wait_for(INFLIGHT)
        assert all(each.repeated for each in fake.published)
        fake.acknowledge(INFLIGHT)
        fake.wait_for(INFLIGHT + 5)
        fake.acknowledge(5)
        old = [f"old/{number}" for number in range(INFLIGHT)]
        assert fake.topics() == old + [f"new/{number}" for number in range(5)]
        delivered = [ear.wait(lambda event: isinstance(event, Delivered)) for _ in fresh]
        assert delivered == [Delivered(token or 0) for token in fresh]
