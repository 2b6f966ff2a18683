"""A daemon in a thread of this process, and a broker that is told what to send."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.daemon import Daemon
from agent.link import Connected, Sink
from agent.wire.profile import parse_profile
from agent.wire.topics import Leaf, topic

PROFILE = "device: dev-1\n"
INFO = topic("dev-1", Leaf.INFO)


class Broker:
    """A link that is the broker too: `send` is what arrives, `heard` are the topics that were published to.

    `said` is the last payload of each.
    """

    def __init__(self) -> None:
        self.started = threading.Event()
        self.heard: list[str] = []
        self.said: dict[str, bytes] = {}

    def send(self, event: object) -> None:
        raise AssertionError("nobody has connected yet")

    def start(self, sink: Sink) -> None:
        self.send = sink  # type: ignore[method-assign,assignment]
        self.started.set()

    def stop(self) -> None: ...
    def drop(self) -> None: ...
    def acknowledge(self, tokens: Iterable[int]) -> None: ...
    def subscribe(self, filters: Iterable[str], *, anew: bool = False) -> None: ...
    def unsubscribe(self, filters: Iterable[str]) -> None: ...
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        self.said[topic] = payload
        self.heard.append(topic)
        return 1

    def is_answered(self) -> bool:
        """Does the agent take in that there is a connection?"""
        self.heard.clear()
        self.send(Connected())
        return self.wait(lambda: INFO in self.heard)

    @staticmethod
    def wait(done: Callable[[], bool]) -> bool:
        """Did it come about within seconds?"""
        until_s = time.monotonic() + 5
        while not done() and time.monotonic() < until_s:
            time.sleep(0.01)
        return done()


@contextmanager
def running(state: Path, **more: Any) -> Iterator[Broker]:
    """An agent at work, and its broker; `more` is configuration."""
    profile = parse_profile(PROFILE)
    config = Config(profile=profile, profile_text=PROFILE, host="", port=1, state=state, trusted_key=bytes(32), **more)
    broker, made = Broker(), queue.SimpleQueue[Daemon]()

    def run() -> None:
        daemon = Daemon(config, broker)
        made.put(daemon)
        daemon.run()

    thread = threading.Thread(target=run)
    thread.start()
    daemon = made.get(timeout=10)
    assert broker.started.wait(60), "it has tried its runtimes first"
    try:
        yield broker
    finally:
        daemon.stop()
        thread.join()
