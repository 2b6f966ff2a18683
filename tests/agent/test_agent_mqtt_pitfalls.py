"""What paho does badly by itself, one test each: the link must not inherit it."""

from __future__ import annotations

import os
import queue
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from ear import Ear, arrived, connected, disconnected, until
from fakebroker import FakeBroker, remaining_length
from ports import free_port
from proxy import Proxy
from realbroker import RealBroker

from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent
from agent.mqtt import INFLIGHT, KEEPALIVE_S, OUTBOX, MqttLink
from agent.wire.messages import MAX_BYTES

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


def subscribed(ear: Ear, filters: str) -> Ear:
    """`ear`, once a message to itself has shown that the broker knows the filter."""
    ear.link.subscribe([filters, "probe"])
    token = ear.link.publish("probe", b"")
    assert {ear.events.get(timeout=10) for _ in range(2)} == {Arrived("probe", b""), Delivered(token or 0)}
    return ear


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """All descriptors up to 1,023 are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this system allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < 1023:
        taken.append(os.dup(taken[0]))
    yield
    for each in taken:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_descriptor_above_1023_connects_and_carries(broker: RealBroker, listen: Callable[..., Ear]) -> None:
    ear = listen(broker.port)
    ear.wait(connected)
    subscribed(ear, "x")
    token = ear.link.publish("x", b"hello")
    assert {ear.events.get(timeout=10) for _ in range(2)} == {Arrived("x", b"hello"), Delivered(token or 0)}


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("a full disk")])
def test_a_sink_that_raises_loses_neither_link_nor_message(
    broker: RealBroker, join: Callable[..., Ear], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[LinkEvent] = []

    def sink(event: LinkEvent) -> None:
        heard.append(event)
        if isinstance(event, Arrived) and heard.count(event) == 1:
            raise error

    link = MqttLink("127.0.0.1", broker.port, "a")
    link.start(sink)
    until(lambda: Connected() in heard)
    link.subscribe(["x"])
    join("b").link.publish("x", b"1", retain=True)
    until(lambda: len(heard) >= 5)
    link.stop()
    lost = next(each for each in heard if isinstance(each, Disconnected))
    assert heard[:5] == [Connected(), Arrived("x", b"1"), lost, Connected(), Arrived("x", b"1")]
    assert str(error) in caplog.text


def test_a_link_that_is_thrown_out_at_once_waits_longer_and_longer(
    fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sink(_event: LinkEvent) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("agent.mqtt.random.uniform", lambda _low, high: high)
    link = MqttLink("127.0.0.1", fake.port, "a")
    link.start(sink)
    time.sleep(3.0)
    assert 2 <= fake.sessions <= 3, "at once, after 0.5 s and after 1 s more"
    assert link.publish("x", b"") is None
    link.stop()


def test_a_link_that_was_up_for_a_while_does_not_wait_for_what_was_before(
    listen: Callable[..., Ear], fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.mqtt.random.uniform", lambda _low, high: high)
    ear = listen(fake.port, keepalive_s=2)
    for _ in range(2):
        ear.wait(connected)
        fake.cut()
    ear.wait(connected)
    time.sleep(1.0)
    fake.cut()
    ear.wait(disconnected)
    ear.wait(connected, 1.5)


@pytest.mark.parametrize(
    "packet", [b"\x30\x01\x00", b"\x40\x00", b"\x30\x04\x00\x02\xff\xfe"], ids=["short", "empty", "no text"]
)
def test_a_packet_without_sense_costs_one_connection(
    listen: Callable[..., Ear], fake: FakeBroker, packet: bytes
) -> None:
    ear = listen(fake.port)
    ear.wait(connected)
    fake.send(packet)
    ear.wait(disconnected)
    ear.wait(connected)
    assert ear.link.publish("x", b"")
    fake.wait_for(1)
    assert fake.sessions == 2


def test_of_a_packet_that_is_too_large_the_beginning_is_kept_and_the_link_goes_on(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port)
    ear.wait(connected)
    size, head = 64 * 2**20, b"\x00\x01x\x00\x07"
    fake.send(b"\x32" + remaining_length(len(head) + size) + head)
    for _ in range(64):
        fake.send(bytes(2**20))
    fake.send(b"\x32" + remaining_length(len(head) + 2) + head + b"ok")
    cut, whole = ear.wait(arrived), ear.wait(arrived)
    assert isinstance(cut, Arrived)
    assert MAX_BYTES < len(cut.payload) < 2 * MAX_BYTES
    assert whole == Arrived("x", b"ok")
    assert fake.sessions == 1
    until(lambda: fake.taken == [7, 7])


def test_a_topic_that_is_none_ends_nothing(listen: Callable[..., Ear], fake: FakeBroker) -> None:
    ear = listen(fake.port)
    ear.wait(connected)
    assert ear.link.publish("a/#", b"")
    ear.link.subscribe(["a/#/b"])
    assert ear.link.publish("x", b"")
    fake.wait_for(1)
    assert fake.topics() == ["x"]
    assert fake.sessions == 1


def test_a_sink_may_publish_and_does_not_wait(broker: RealBroker) -> None:
    heard: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
    link = MqttLink("127.0.0.1", broker.port, "a")

    def sink(event: LinkEvent) -> None:
        heard.put(event)
        if isinstance(event, Connected):
            link.subscribe(["x"])
            link.publish("x", b"from the sink")

    link.start(sink)
    assert {type(heard.get(timeout=10)) for _ in range(3)} == {Connected, Arrived, Delivered}
    link.stop()


def test_a_receiver_that_takes_nothing_for_two_keepalives_stays_connected(join: Callable[..., Ear]) -> None:
    receiver, sender = subscribed(join("a", keepalive_s=2), "x/+"), join("b")
    sent = 0
    until_s = time.monotonic() + 4.0
    while time.monotonic() < until_s:
        sent += sender.link.publish(f"x/{sent}", bytes(1000)) is not None
        time.sleep(0.01)
    assert sent > 0
    got = [receiver.wait(lambda event: not isinstance(event, Delivered)) for _ in range(sent)]
    assert got == [Arrived(f"x/{number}", bytes(1000)) for number in range(sent)]


def test_an_idle_link_stays_connected(join: Callable[..., Ear]) -> None:
    ear = join("a", keepalive_s=3)
    with pytest.raises(queue.Empty):
        ear.wait(disconnected, 5.5)


def test_what_was_sent_while_the_link_was_cut_arrives_without_subscribing_again(
    join: Callable[..., Ear], proxy: Proxy
) -> None:
    receiver, sender = subscribed(join("a", port=proxy.port), "x/+"), join("b")
    proxy.cut()
    receiver.wait(disconnected)
    for number in range(50):
        assert sender.link.publish(f"x/{number}", b"")
    for _ in range(50):
        sender.wait(lambda event: isinstance(event, Delivered))
    proxy.restore()
    receiver.wait(connected)
    assert [receiver.wait(arrived) for _ in range(50)] == [Arrived(f"x/{number}", b"") for number in range(50)]


def test_what_is_published_before_the_first_connection_is_refused_and_never_sent(listen: Callable[..., Ear]) -> None:
    unstarted = MqttLink("127.0.0.1", 1, "b")
    assert unstarted.publish("x", b"") is None
    unstarted.stop()
    port = free_port()
    ear = listen(port)
    ear.wait(disconnected)
    assert ear.link.publish("stale", b"") is None
    with closing(FakeBroker(port)) as broker:
        ear.wait(connected)
        assert ear.link.publish("fresh", b"")
        broker.wait_for(1)
        assert broker.topics() == ["fresh"]


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


def test_no_more_is_on_the_wire_than_inflight_and_no_more_waits_than_the_outbox_holds(
    listen: Callable[..., Ear], fake: FakeBroker
) -> None:
    ear = listen(fake.port)
    ear.wait(connected)
    for number in range(INFLIGHT):
        assert ear.link.publish(f"{number}", b"")
    fake.wait_for(INFLIGHT)
    for number in range(INFLIGHT, INFLIGHT + OUTBOX):
        assert ear.link.publish(f"{number}", b"")
    assert ear.link.publish("one too many", b"") is None
    time.sleep(0.3)
    assert len(fake.published) == INFLIGHT
    for count in (1, 7, INFLIGHT):
        before = len(fake.published)
        fake.acknowledge(count)
        fake.wait_for(before + count)
        time.sleep(0.1)
        assert fake.topics() == [str(number) for number in range(before + count)]


def test_links_that_lose_their_broker_together_do_not_return_together() -> None:
    """Eight uniform waits within half a second fall into 50 ms once in a million."""
    calls_s: list[float] = []
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def refuse() -> None:
        for _ in range(2 * len(links)):
            server.accept()[0].close()
            calls_s.append(time.monotonic())

    links = [MqttLink("127.0.0.1", server.getsockname()[1], f"a{number}") for number in range(8)]
    with server:
        thread = threading.Thread(target=refuse)
        thread.start()
        for each in links:
            each.start(lambda _event: None)
        thread.join(20)
        for each in links:
            each.stop()
    again = calls_s[len(links) :]
    assert len(again) == len(links)
    assert max(again) - min(again) > 0.05


@pytest.mark.parametrize("talks", [False, True], ids=["idle", "publishing"])
def test_a_half_open_link_is_noticed_in_one_and_a_half_keepalives_and_comes_back(
    join: Callable[..., Ear], proxy: Proxy, talks: bool
) -> None:
    ear, other = subscribed(join("a", port=proxy.port, keepalive_s=3), "x"), join("b")
    proxy.silence()
    since_s = time.monotonic()
    assert other.link.publish("x", b"meanwhile")
    while talks and ear.link.publish("y", b"") is not None:
        time.sleep(0.05)
    ear.wait(disconnected)
    assert time.monotonic() - since_s < 1.5 * 3 + 1
    proxy.restore()
    ear.wait(connected, 20)
    assert ear.wait(arrived) == Arrived("x", b"meanwhile")


def test_a_host_that_accepts_and_never_answers_is_given_up(listen: Callable[..., Ear]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        since_s = time.monotonic()
        ear = listen(mute.getsockname()[1], keepalive_s=2)
        ear.wait(disconnected)
        assert time.monotonic() - since_s < 1.5 * 2 + 1.5
        mute.settimeout(10)
        for _ in range(2):
            mute.accept()[0].close()


def test_an_address_that_swallows_everything_is_given_up_within_seconds(listen: Callable[..., Ear]) -> None:
    """A full backlog drops the next SYN, as a black hole would."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        address = full.getsockname()
        for _ in range(2):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(address)
        ear = listen(address[1])
        event = ear.wait(disconnected, 8)
        assert isinstance(event, Disconnected)
        assert "timed out" in event.reason
        since_s = time.monotonic()
        ear.link.stop()
        assert time.monotonic() - since_s < 6
