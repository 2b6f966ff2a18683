from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent
from agent.simulate.memory import Faults, MemoryBroker, MemoryLink, matches


def joined(
    broker: MemoryBroker, name: str, will: tuple[str, bytes] | None = None
) -> tuple[MemoryLink, list[LinkEvent]]:
    heard: list[LinkEvent] = []
    link = broker.link(name, will)
    link.start(heard.append)
    broker.pump()
    return link, heard


def arrived(heard: list[LinkEvent]) -> list[tuple[str, bytes]]:
    return [(each.topic, each.payload) for each in heard if isinstance(each, Arrived)]


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
