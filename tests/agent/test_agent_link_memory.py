from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent
from agent.simulate.memory import Faults, MemoryBroker, MemoryLink
from agent.simulate.session import matches


def joined(
    broker: MemoryBroker, name: str, will: tuple[str, bytes] | None = None, *, manual_ack: bool = False
) -> tuple[MemoryLink, list[LinkEvent]]:
    heard: list[LinkEvent] = []
    link = broker.link(name, will, manual_ack=manual_ack)
    link.start(heard.append)
    broker.pump()
    return link, heard


def arrived(heard: list[LinkEvent]) -> list[tuple[str, bytes]]:
    return [(each.topic, each.payload) for each in heard if isinstance(each, Arrived)]


def subscribed(broker: MemoryBroker, name: str = "a", topic: str = "x") -> tuple[MemoryLink, list[LinkEvent]]:
    """A link that acknowledges when told to."""
    link, heard = joined(broker, name, manual_ack=True)
    link.subscribe([topic])
    return link, heard


def send(broker: MemoryBroker, *payloads: bytes) -> None:
    sender, _ = joined(broker, "sender")
    for payload in payloads:
        assert sender.publish("x", payload) is not None
    broker.pump()


def payloads(heard: list[LinkEvent]) -> list[bytes]:
    return [payload for _, payload in arrived(heard)]


def tokens(heard: list[LinkEvent]) -> list[int]:
    return [each.token for each in heard if isinstance(each, Arrived) and each.token is not None]


def repeated(heard: list[LinkEvent]) -> list[bool]:
    return [each.repeated for each in heard if isinstance(each, Arrived)]


def test_what_is_told_arrives_once_and_not_later_at_who_is_away() -> None:
    broker = MemoryBroker()
    _, here = subscribed(broker, "here")
    away, missed = subscribed(broker, "away")
    away.drop()
    sender, told = joined(broker, "sender")
    sender.tell([("x", b"1"), ("x", b"2")])
    broker.pump()
    away.start(missed.append)
    broker.pump()
    assert (payloads(here), payloads(missed)) == ([b"1", b"2"], [])
    assert not any(isinstance(each, Delivered) for each in told)


def test_what_is_not_acknowledged_fills_the_window_and_the_rest_waits() -> None:
    broker = MemoryBroker(window=2)
    link, heard = subscribed(broker)
    send(broker, b"1", b"2", b"3", b"4")
    assert payloads(heard) == [b"1", b"2"]
    link.acknowledge(tokens(heard)[1:])
    broker.pump()
    assert payloads(heard) == [b"1", b"2"], "acknowledgements leave in order of receipt"
    link.acknowledge(tokens(heard)[:1])
    broker.pump()
    assert payloads(heard) == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("away", [False, True])
def test_what_is_over_the_bound_is_dropped_and_the_oldest_stay(away: bool) -> None:
    broker = MemoryBroker(window=1, queue=2)
    link, heard = subscribed(broker)
    send(broker, b"in the window")
    if away:
        link.drop()
    send(broker, b"1", b"2", b"3", b"4")
    if away:
        link, heard = joined(broker, "a", manual_ack=True)
    for _ in range(3):
        link.acknowledge(tokens(heard))
        broker.pump()
    assert payloads(heard) == [b"in the window", b"1", b"2"]


def test_what_was_not_acknowledged_comes_again_first_and_is_marked() -> None:
    broker = MemoryBroker()
    first, heard_first = subscribed(broker)
    send(broker, b"1", b"2", b"3")
    first.acknowledge(tokens(heard_first)[:1])
    first.drop()
    send(broker, b"4")
    _, heard = joined(broker, "a", manual_ack=True)
    assert payloads(heard) == [b"2", b"3", b"4"]
    assert repeated(heard) == [True, True, False]


def test_a_token_from_before_a_reconnect_is_let_go_of() -> None:
    broker = MemoryBroker(window=1)
    link, heard = subscribed(broker)
    send(broker, b"1", b"2")
    old = tokens(heard)
    broker.stop()
    link.acknowledge(old)
    broker.start()
    broker.pump()
    link.acknowledge(old)
    broker.pump()
    assert payloads(heard) == [b"1", b"1"]
    link.acknowledge(tokens(heard))
    broker.pump()
    assert payloads(heard) == [b"1", b"1", b"2"]


def test_what_was_on_the_way_to_a_link_that_dies_comes_again_though_it_acknowledges_by_itself() -> None:
    broker = MemoryBroker()
    first, heard_first = joined(broker, "a")
    first.subscribe(["x"])
    sender, _ = joined(broker, "b")
    sender.publish("x", b"1")
    first.drop()
    broker.pump()
    assert payloads(heard_first) == []
    _, heard = joined(broker, "a")
    assert heard == [Connected(), Arrived("x", b"1", repeated=True)]
    joined(broker, "a")
    assert payloads(heard) == [b"1"]


def test_retained_messages_are_told_from_live_ones_and_come_again_when_asked_for_anew() -> None:
    broker = MemoryBroker()
    first, _ = joined(broker, "a")
    first.publish("x", b"kept", retain=True)
    link, heard = joined(broker, "b")
    link.subscribe(["x"])
    first.publish("x", b"live", retain=True)
    link.subscribe(["x"], anew=True)
    broker.pump()
    assert heard[1:] == [
        Arrived("x", b"kept", retained=True),
        Arrived("x", b"live"),
        Arrived("x", b"live", retained=True),
    ]


def test_a_publish_that_the_outbox_does_not_hold_is_refused_and_never_sent() -> None:
    broker = MemoryBroker(outbox=2)
    link, heard = subscribed(broker)
    sent = [link.publish("x", payload) for payload in (b"1", b"2", b"3")]
    assert sent == [1, 2, None]
    broker.pump()
    assert payloads(heard) == [b"1", b"2"]
    assert [each for each in heard if isinstance(each, Delivered)] == [Delivered(1), Delivered(2)]
    assert link.publish("x", b"4") == 3


def test_what_was_published_into_a_connection_that_broke_is_not_delivered_later() -> None:
    broker = MemoryBroker(outbox=1)
    link, heard = joined(broker, "a")
    assert link.publish("x", b"") == 1
    broker.stop()
    broker.start()
    broker.pump()
    assert Delivered(1) not in heard
    assert link.publish("x", b"") == 2


def test_retained_messages_greet_a_subscriber_and_an_empty_one_forgets() -> None:
    broker = MemoryBroker()
    first, heard_first = joined(broker, "a")
    token = first.publish("x/1", b"kept", retain=True)
    first.publish("x/2", b"passing")
    second, heard = joined(broker, "b")
    second.subscribe(["x/+"])
    broker.pump()
    assert arrived(heard) == [("x/1", b"kept")]
    assert Delivered(token or 0) in heard_first
    first.publish("x/1", b"", retain=True)
    broker.pump()
    assert broker.retained == {}


def test_a_session_outlives_its_connection() -> None:
    broker = MemoryBroker()
    link, _ = joined(broker, "a", ("gone", b"a"))
    other, heard_other = joined(broker, "b")
    other.subscribe(["gone"])
    link.subscribe(["x"])
    link.drop()
    other.publish("x", b"while away")
    broker.pump()
    assert arrived(heard_other) == [("gone", b"a")]
    _, heard = joined(broker, "a")
    assert heard == [Connected(), Arrived("x", b"while away")]


def test_a_goodbye_speaks_no_will_and_a_link_that_is_down_refuses() -> None:
    broker = MemoryBroker()
    link, heard = joined(broker, "a", ("gone", b"a"))
    link.stop()
    broker.pump()
    assert broker.retained == {}
    assert link.publish("x", b"") is None
    assert heard == [Connected()]


def test_a_second_client_takes_the_session_over() -> None:
    broker = MemoryBroker()
    first, heard = joined(broker, "a")
    joined(broker, "a")
    assert isinstance(heard[-1], Disconnected)
    assert first.publish("x", b"") is None


def test_an_outage_ends_and_may_have_forgotten_everything() -> None:
    broker = MemoryBroker()
    link, heard = joined(broker, "a")
    link.subscribe(["x"])
    link.publish("x", b"1", retain=True)
    broker.pump()
    broker.stop(forget=True)
    broker.pump()
    assert isinstance(heard[-1], Disconnected)
    assert link.publish("x", b"2") is None
    broker.start()
    broker.pump()
    assert heard[-1] == Connected()
    link.publish("x", b"3")
    broker.pump()
    assert arrived(heard) == [("x", b"1")]


def test_messages_without_end_are_noticed() -> None:
    broker = MemoryBroker()
    link, _ = joined(broker, "a")
    echo = broker.link("b")
    echo.start(lambda event: echo.publish("x", b"") and None if isinstance(event, Arrived) else None)
    broker.pump()
    echo.subscribe(["x"])
    link.publish("x", b"")
    with pytest.raises(RuntimeError, match="do not come to an end"):
        broker.pump(limit=100)


@given(st.integers(0, 2**32))
def test_faults_lose_double_and_reorder_and_a_seed_repeats_them(seed: int) -> None:
    def run() -> list[tuple[str, bytes]]:
        broker = MemoryBroker(Faults(random=random.Random(seed), drop=0.2, duplicate=0.2, reorder=0.4))
        link, heard = joined(broker, "a")
        link.subscribe(["x"])
        for number in range(50):
            link.publish("x", bytes([number]))
        broker.pump()
        return arrived(heard)

    first = run()
    assert first == run()
    assert {payload for _, payload in first} <= {bytes([number]) for number in range(50)}


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("a/#", "b", False),
        ("+", "a", True),
    ],
)
def test_filters(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected
