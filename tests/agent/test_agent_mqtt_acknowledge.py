"""Acknowledging when told to: what leaves, in which order, and what a broker that waits for it sends again."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from ear import Ear, arrived, connected, disconnected, until
from fakebroker import FakeBroker, remaining_length
from proxy import Proxy
from realbroker import Mosquitto, RealBroker

from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent
from agent.mqtt import MqttLink
from agent.wire.messages import MAX_BYTES

pytestmark = pytest.mark.e2e

RETAIN, QOS1, DUP = 1, 2, 8


@pytest.fixture
def fake() -> Iterator[FakeBroker]:
    with closing(FakeBroker()) as made:
        yield made


@pytest.fixture(params=["rumqttd", "mosquitto"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Where a broker of each kind listens."""
    if request.param == "mosquitto" and shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed")
    broker = RealBroker(tmp_path) if request.param == "rumqttd" else Mosquitto()
    broker.start()
    yield broker.port
    broker.stop()


@pytest.fixture
def listen() -> Iterator[Callable[..., Ear]]:
    """Makes links that are connected and, unless told otherwise, acknowledge when told to."""
    with ExitStack() as stack:

        def make(port: int, name: str = "a", manual_ack: bool = True) -> Ear:
            ear = Ear(MqttLink("127.0.0.1", port, name, manual_ack=manual_ack))
            stack.callback(ear.link.stop)
            ear.wait(connected)
            return ear

        yield make


def packet(mid: int, payload: bytes = b"", flags: int = QOS1) -> bytes:
    """A PUBLISH to `x`, as a broker sends it."""
    body = b"\x00\x01x" + (mid.to_bytes(2, "big") if flags & QOS1 else b"") + payload
    return bytes([0x30 | flags]) + remaining_length(len(body)) + body


def take(ear: Ear, count: int = 1) -> list[Arrived]:
    taken = [ear.wait(arrived) for _ in range(count)]
    return [each for each in taken if isinstance(each, Arrived)]


def tokens(messages: list[Arrived]) -> list[int]:
    found = [each.token for each in messages if each.token is not None]
    assert len(found) == len(messages)
    return found


def send(ear: Ear, topic: str, *payloads: bytes, retain: bool = False) -> None:
    """Returns once the broker has it all."""
    for payload in payloads:
        assert ear.link.publish(topic, payload, retain=retain) is not None
    for _ in payloads:
        ear.wait(lambda event: isinstance(event, Delivered))


def subscribe(ear: Ear) -> None:
    """Returns once the broker knows the filter: it takes what it is sent in order."""
    ear.link.subscribe(["x"])
    send(ear, "probe", b"")


def nothing_more(ear: Ear) -> bool:
    with pytest.raises(queue.Empty):
        ear.wait(lambda event: not isinstance(event, Delivered), 0.5)
    return True


def test_acknowledgements_wait_until_they_are_told_and_leave_in_order_of_receipt(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port)
    fake.send(packet(7) + packet(3) + packet(9))
    first, second, third = tokens(take(ear, 3))
    ear.link.acknowledge([third])
    assert nothing_more(ear)
    assert fake.taken == []
    ear.link.acknowledge([first])
    until(lambda: fake.taken == [7])
    ear.link.acknowledge([second])
    until(lambda: fake.taken == [7, 3, 9])


def test_a_token_from_before_a_reconnect_is_let_go_of_though_its_packet_id_is_used_again(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port)
    fake.send(packet(7, b"old"))
    (old,) = tokens(take(ear))
    fake.cut()
    ear.wait(disconnected)
    ear.link.acknowledge([old])
    ear.wait(connected)
    fake.send(packet(7, b"never stored"))
    (new,) = tokens(take(ear))
    ear.link.acknowledge([old])
    assert nothing_more(ear)
    assert fake.taken == []
    ear.link.acknowledge([new])
    until(lambda: fake.taken == [7])


def test_flags_of_a_message_are_told_and_one_that_wants_no_acknowledgement_has_no_token(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port)
    fake.send(packet(1, flags=QOS1 | RETAIN) + packet(2, flags=QOS1 | DUP) + packet(0, b"at most once", flags=0))
    kept, again, once = take(ear, 3)
    assert (kept.retained, kept.repeated) == (True, False)
    assert (again.retained, again.repeated) == (False, True)
    assert once == Arrived("x", b"at most once")
    ear.link.acknowledge(tokens([kept, again]))
    until(lambda: fake.taken == [1, 2])


def test_a_link_that_was_not_asked_to_wait_acknowledges_on_receipt(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port, manual_ack=False)
    fake.send(packet(4) + packet(5))
    assert take(ear, 2) == [Arrived("x", b""), Arrived("x", b"")]
    until(lambda: fake.taken == [4, 5])


def test_a_message_too_large_to_be_kept_is_acknowledged_as_any_other(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port)
    fake.send(packet(6, bytes(8 * 2**20)) + packet(7, b"ok"))
    cut, whole = take(ear, 2)
    assert MAX_BYTES < len(cut.payload) < 2 * MAX_BYTES
    assert whole.payload == b"ok"
    ear.link.acknowledge(tokens([cut, whole]))
    until(lambda: fake.taken == [6, 7])


def test_a_link_that_ends_still_acknowledges_what_it_was_told_to(listen: Callable[..., Ear], fake: FakeBroker) -> None:
    ear = listen(fake.port)
    fake.send(b"".join(packet(mid) for mid in range(1, 51)))
    ear.link.acknowledge(tokens(take(ear, 50)))
    ear.link.stop()
    until(lambda: fake.taken == list(range(1, 51)))


def test_many_messages_in_one_write_are_heard_without_another(listen: Callable[..., Ear], fake: FakeBroker) -> None:
    ear = listen(fake.port)
    fake.send(b"".join(packet(mid, b"%d" % mid) for mid in range(1, 201)))
    assert [each.payload for each in take(ear, 200)] == [b"%d" % mid for mid in range(1, 201)]


def test_what_came_after_a_message_that_could_not_be_taken_in_waits_for_the_next_connection(fake: FakeBroker) -> None:
    heard: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
    link = MqttLink("127.0.0.1", fake.port, "a", manual_ack=True)

    def sink(event: LinkEvent) -> None:
        heard.put(event)
        if isinstance(event, Arrived):
            raise OSError("a full disk")

    link.start(sink)
    assert heard.get(timeout=10) == Connected()
    fake.send(packet(1, b"one") + packet(2, b"two") * 100)
    kinds = [type(heard.get(timeout=10)) for _ in range(3)]
    link.stop()
    assert kinds == [Arrived, Disconnected, Connected]
    assert fake.taken == []


def test_what_was_not_acknowledged_comes_again_after_a_reconnect_and_nothing_else(
    listen: Callable[..., Ear], port: int
) -> None:
    with closing(Proxy(port)) as path:
        ear, sender = listen(path.port), listen(port, "b")
        subscribe(ear)
        send(sender, "x", *(bytes([number]) for number in range(5)))
        got = take(ear, 5)
        ear.link.acknowledge(tokens(got[:2]))
        ear.link.acknowledge(tokens(got[3:4]))
        assert nothing_more(ear)
        path.cut()
        ear.wait(disconnected)
        path.restore()
        ear.wait(connected)
        ear.link.acknowledge(tokens(got))
        again = take(ear, 3)
        assert [each.payload for each in again] == [bytes([number]) for number in (2, 3, 4)]
        ear.link.acknowledge(tokens(again))
        assert nothing_more(ear)
        path.cut()
        ear.wait(disconnected)
        path.restore()
        ear.wait(connected)
        assert nothing_more(ear)


def test_whatever_the_order_of_acknowledging_the_connection_stays_and_all_come_in_order(
    listen: Callable[..., Ear], port: int
) -> None:
    """Both brokers hold back what is above their window: 20 and 100."""
    ear, sender = listen(port), listen(port, "b")
    subscribe(ear)
    payloads = [b"%d" % number for number in range(250)]
    send(sender, "x", *payloads)
    heard: list[Arrived] = []
    while len(heard) < 250:
        some = take(ear)
        while not ear.events.empty():
            some += take(ear)
        heard += some
        ear.link.acknowledge(reversed(tokens(some)))
    assert [each.payload for each in heard] == payloads
    assert nothing_more(ear)


def test_retained_messages_are_told_from_live_ones_and_come_again_when_asked_for_anew(
    listen: Callable[..., Ear], port: int
) -> None:
    ear, sender = listen(port, manual_ack=False), listen(port, "b")
    send(sender, "x", b"kept", retain=True)
    ear.link.subscribe(["x"])
    assert take(ear) == [Arrived("x", b"kept", retained=True)]
    send(sender, "x", b"live", retain=True)
    assert take(ear) == [Arrived("x", b"live")]
    ear.link.subscribe(["x"], anew=True)
    assert take(ear) == [Arrived("x", b"live", retained=True)]


def test_subscribing_again_loses_nothing_of_what_waits(listen: Callable[..., Ear], port: int) -> None:
    ear, sender = listen(port), listen(port, "b")
    subscribe(ear)
    payloads = [b"%d" % number for number in range(150)]
    send(sender, "x", *payloads)
    ear.link.subscribe(["x"])
    heard: list[Arrived] = []
    while len(heard) < 150:
        some = take(ear)
        heard += some
        ear.link.acknowledge(tokens(some))
    assert nothing_more(ear)
