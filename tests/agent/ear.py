"""The receiving end of a link in tests: keeps every event until somebody waits for it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from agent.link import Arrived, Connected, Disconnected, LinkEvent
from agent.mqtt import MqttLink


class Ear:
    def __init__(self, link: MqttLink) -> None:
        self.link = link
        self.events: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
        link.start(self.events.put)

    def wait(self, wanted: Callable[[LinkEvent], bool], seconds: float = 10.0) -> LinkEvent:
        until_s = time.monotonic() + seconds
        while True:
            event = self.events.get(timeout=max(0.01, until_s - time.monotonic()))
            if wanted(event):
                return event


def connected(event: LinkEvent) -> bool:
    return isinstance(event, Connected)


def disconnected(event: LinkEvent) -> bool:
    return isinstance(event, Disconnected)


def arrived(event: LinkEvent) -> bool:
    return isinstance(event, Arrived)


def until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    until_s = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.01)
