"""The link against a real broker: what arrives, what is refused, and what a broken connection does."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import pytest
from ear import Ear, arrived, connected, disconnected
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port
from proxy import Proxy
from realbroker import RealBroker

from agent.link import Arrived, Delivered, Disconnected
from agent.mqtt import MqttLink, backoff_s

pytestmark = pytest.mark.e2e


def test_a_publish_arrives_and_is_confirmed(join: Callable[..., Ear]) -> None:
    sender, receiver = join("a"), join("b")
    receiver.link.subscribe(["x/+"])
    time.sleep(0.2)
    token = sender.link.publish("x/1", b"hello")
    assert token is not None
    assert receiver.wait(arrived) == Arrived("x/1", b"hello")
    assert sender.wait(lambda event: isinstance(event, Delivered)) == Delivered(token)
    receiver.link.unsubscribe(["x/+"])
    time.sleep(0.2)
    sender.link.publish("x/1", b"again")
    with pytest.raises(queue.Empty):
        receiver.wait(arrived, 0.5)


def test_what_is_told_arrives_whole_and_in_order_and_nobody_hears_of_its_delivery(join: Callable[..., Ear]) -> None:
    sender, receiver = join("a"), join("b")
    receiver.link.subscribe(["x/+"])
    time.sleep(0.2)
    told = [(f"x/{size}", b"o" * size) for size in (0, 1, 119, 120, 121, 16_380, 20_000)]
    sender.link.tell(told)
    token = sender.link.publish("x/last", b"")
    assert [receiver.wait(arrived) for _ in told] == [Arrived(topic, payload) for topic, payload in told]
    assert sender.events.get(timeout=10.0) == Delivered(token or 0)


def test_what_is_told_while_the_link_is_down_is_never_sent(join: Callable[..., Ear], proxy: Proxy) -> None:
    receiver, sender = join("b"), join("a", port=proxy.port)
    receiver.link.subscribe(["x"])
    proxy.cut()
    sender.wait(disconnected)
    sender.link.tell([("x", b"stale")])
    proxy.restore()
    sender.wait(connected)
    sender.link.tell([("x", b"fresh")])
    assert receiver.wait(arrived) == Arrived("x", b"fresh")


def test_many_large_messages_come_whole_and_in_order(join: Callable[..., Ear]) -> None:
    sender, receiver = join("a"), join("b")
    receiver.link.subscribe(["blob/+"])
    time.sleep(0.2)
    for number in range(200):
        assert sender.link.publish(f"blob/{number}", bytes([number]) * 65536)
    for number in range(200):
        assert receiver.wait(arrived) == Arrived(f"blob/{number}", bytes([number]) * 65536)


def test_a_broken_connection_speaks_the_will_and_comes_back(join: Callable[..., Ear], proxy: Proxy) -> None:
    witness = join("w")
    witness.link.subscribe(["gone/+"])
    time.sleep(0.2)
    victim = join("v", ("gone/v", b"offline"), port=proxy.port)
    proxy.cut()
    victim.wait(disconnected)
    assert witness.wait(arrived) == Arrived("gone/v", b"offline")
    proxy.restore()
    victim.wait(connected)


def test_a_clean_end_sends_the_outbox_and_no_will(join: Callable[..., Ear]) -> None:
    witness = join("w")
    witness.link.subscribe(["#"])
    time.sleep(0.2)
    leaving = join("v", ("gone/v", b"will"))
    for number in range(50):
        leaving.link.publish(f"last/{number}", b"")
    leaving.link.stop()
    for number in range(50):
        assert witness.wait(arrived) == Arrived(f"last/{number}", b"")
    with pytest.raises(queue.Empty):
        witness.wait(arrived, 0.5)


def test_an_outage_refuses_publishes_and_ends(broker: RealBroker, join: Callable[..., Ear]) -> None:
    ear = join("a")
    broker.stop()
    ear.wait(disconnected)
    assert ear.link.publish("x", b"") is None
    broker.start()
    ear.wait(connected, 30)
    assert ear.link.publish("x", b"") is not None


def test_an_unreachable_broker_is_said_once(join: Callable[..., Ear]) -> None:
    port = free_port()
    ear = Ear(MqttLink("127.0.0.1", port, "a"))
    event = ear.wait(disconnected)
    assert isinstance(event, Disconnected)
    assert f"cannot reach 127.0.0.1:{port}" in event.reason
    time.sleep(1.0)
    assert ear.events.empty()
    ear.link.stop()


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_backoff_is_spread_and_bounded(attempt: int, share: float) -> None:
    wait_s = backoff_s(attempt, lambda low, high: low + (high - low) * share)
    assert 0 <= wait_s <= min(60.0, 0.5 * 2.0 ** min(attempt, 16))
