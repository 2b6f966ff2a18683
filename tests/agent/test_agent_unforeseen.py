"""A daemon in this process and a broker that sends what no controller would."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from fleet import artifact, sha256

from agent import daemon as shell
from agent.config import Config
from agent.daemon import Daemon
from agent.link import Arrived, Connected, Sink
from agent.step import events
from agent.wire.profile import parse_profile
from agent.wire.topics import BlobTopic, Leaf, topic

ACK = topic("dev-1", Leaf.ACK)
BLOB = f"hedgerow/v1/_blob/{sha256(artifact(1))}"


class Broker:
    """A link that is the broker too: `send` is what arrives, `heard` are the topics that were published to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.started = threading.Event()

    def start(self, sink: Sink) -> None:
        self.send = sink
        self.started.set()

    def stop(self) -> None: ...
    def drop(self) -> None: ...
    def subscribe(self, filters: Iterable[str]) -> None: ...
    def unsubscribe(self, filters: Iterable[str]) -> None: ...
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        self.heard.append(topic)
        return 1


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def alive(tmp_path: Path, broker: Broker) -> Iterator[Callable[[], bool]]:
    """An agent at work; the answer is whether it still takes in what comes."""
    profile = "device: dev-1\n"
    config = Config(
        profile=parse_profile(profile), profile_text=profile, host="", port=1, state=tmp_path, trusted_key=bytes(32)
    )
    made: queue.SimpleQueue[Daemon] = queue.SimpleQueue()

    def run() -> None:
        daemon = Daemon(config, broker)
        made.put(daemon)
        daemon.run()

    def takes_in() -> bool:
        broker.heard.clear()
        broker.send(Connected())
        until_s = time.monotonic() + 5
        while not broker.heard and time.monotonic() < until_s:
            time.sleep(0.01)
        return bool(broker.heard)

    thread = threading.Thread(target=run)
    thread.start()
    daemon = made.get(timeout=10)
    assert broker.started.wait(10)
    yield takes_in
    daemon.stop()
    thread.join()


@pytest.mark.parametrize(
    ("where", "payload"),
    [
        (ACK, b'{"device": "dev-1", "boot": "b", "seq": %d}' % 2**63),
        (ACK, b'{"device": "dev-1", "boot": "b", "seq": -1}'),
        (ACK, b'{"device": "dev-1", "boot": "\\u0000", "seq": 1}'),
        (f"{BLOB}/{'9' * 5000}", b""),
        (f"{BLOB}/{'9' * 10}", b""),
        (f"{BLOB}/1\n", b""),
    ],
)
def test_a_message_that_no_controller_sends_ends_nothing(
    alive: Callable[[], bool], broker: Broker, where: str, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    broker.send(Arrived(where, payload))
    assert alive()
    assert "unforeseen" not in caplog.text


def test_what_nobody_foresaw_is_passed_over(
    alive: Callable[[], bool],
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def step(state: shell.State, event: events.Event) -> object:
        if isinstance(event, events.BlockArrived):
            raise RuntimeError("a bug")
        return true_step(state, event)

    true_step = shell.step
    monkeypatch.setattr(shell, "step", step)
    with caplog.at_level(logging.ERROR):
        broker.send(Arrived(str(BlobTopic(sha256(artifact(1)), 0)), b""))
        assert alive()
    assert "event=unforeseen news=Arrived" in caplog.text
    assert "a bug" in caplog.text
