"""A broker in memory and its links, for stories under a virtual clock.

Nothing happens until `MemoryBroker.pump()`: publishes wait in one queue and are delivered in order, synchronously, to
the sinks of the links. As on a real broker, retained messages greet a subscriber, a session outlives its connection
and keeps QoS 1 messages for it, and a connection that drops speaks its last will.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent, Sink

OFFLINE_QUEUE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares, 0 to 1, of the deliveries that are lost, doubled, or let a later one pass; decided by `random`."""

    random: random.Random
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0


@dataclass(slots=True)
class _Session:
    filters: set[str] = field(default_factory=set)
    wild: list[str] = field(default_factory=list)
    waiting: deque[Arrived] = field(default_factory=lambda: deque(maxlen=OFFLINE_QUEUE))
    link: MemoryLink | None = None

    def add(self, pattern: str) -> None:
        self.filters.add(pattern)
        self.wild = [each for each in sorted(self.filters) if "+" in each or "#" in each]

    def remove(self, patterns: Iterable[str]) -> None:
        self.filters.difference_update(patterns)
        self.wild = [each for each in self.wild if each in self.filters]

    def accepts(self, topic: str) -> bool:
        return topic in self.filters or any(matches(each, topic) for each in self.wild)


class MemoryBroker:
    """`link()` connects a client; `pump()` delivers; `stop()` and `start()` are an outage of the broker."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults
        self.retained: dict[str, bytes] = {}
        self.delivered = 0
        self._sessions: dict[str, _Session] = {}
        self._links: list[MemoryLink] = []
        self._queue: deque[tuple[MemoryLink, LinkEvent]] = deque()
        self._up = True

    def link(self, client_id: str, will: tuple[str, bytes] | None = None) -> MemoryLink:
        """A link for `client_id`; it connects on `start`. As in MQTT, a second one takes the session over."""
        return MemoryLink(self, client_id, will)

    def pump(self, limit: int = 100_000) -> int:
        """Deliver until nothing is left; returns how many events were. Raises where `limit` does not suffice."""
        count = 0
        while self._queue:
            link, event = self._next()
            if count >= limit:
                raise RuntimeError(f"{limit} events were delivered and the messages do not come to an end")
            count += 1
            link.receive(event)
        self.delivered += count
        return count

    def stop(self, *, forget: bool = False) -> None:
        """The broker goes down; with `forget` it loses retained messages and sessions, as one without a disk does."""
        self._up = False
        self._queue.clear()
        for link in list(self._links):
            self._disconnect(link, "the broker went down")
        if forget:
            self.retained.clear()
            self._sessions = {}

    def start(self) -> None:
        """The broker comes back, and every link that was started connects again."""
        self._up = True
        for link in [each for each in self._links if each.session is None]:
            self._connect(link)

    # --- called by the links ---------------------------------------------------------------------------------------

    def join(self, link: MemoryLink) -> None:
        self._links.append(link)
        if self._up:
            self._connect(link)

    def leave(self, link: MemoryLink, *, will: bool) -> None:
        if link in self._links:
            self._links.remove(link)
        if link.session is not None:
            link.session.link = None
            link.session = None
            if will and link.will is not None:
                self.publish(*link.will, retain=True)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if retain:
            self._retain(topic, payload)
        for session in self._sessions.values():
            if session.accepts(topic):
                self._send(session, Arrived(topic, payload))

    def subscribe(self, session: _Session, filters: Iterable[str]) -> None:
        for each in filters:
            session.add(each)
            for topic, payload in self.retained.items():
                if matches(each, topic):
                    self._send(session, Arrived(topic, payload))

    def answer(self, link: MemoryLink, event: LinkEvent) -> None:
        self._queue.append((link, event))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _connect(self, link: MemoryLink) -> None:
        session = self._sessions.setdefault(link.client_id, _Session())
        if session.link is not None:
            self._disconnect(session.link, "another client took the session over")
        session.link, link.session = link, session
        self._queue.append((link, Connected()))
        while session.waiting:
            self._queue.append((link, session.waiting.popleft()))

    def _disconnect(self, link: MemoryLink, reason: str) -> None:
        if link.session is not None:
            link.session.link = None
            link.session = None
            self._queue.append((link, Disconnected(reason)))

    def _retain(self, topic: str, payload: bytes) -> None:
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)

    def _send(self, session: _Session, message: Arrived) -> None:
        copies = self._copies()
        for _ in range(copies):
            if session.link is None:
                session.waiting.append(message)
            else:
                self._queue.append((session.link, message))

    def _copies(self) -> int:
        if self.faults is None:
            return 1
        if self.faults.random.random() < self.faults.drop:
            return 0
        return 2 if self.faults.random.random() < self.faults.duplicate else 1

    def _next(self) -> tuple[MemoryLink, LinkEvent]:
        faults = self.faults
        if faults is not None and len(self._queue) > 1 and faults.random.random() < faults.reorder:
            first, second = self._queue.popleft(), self._queue.popleft()
            if isinstance(first[1], Arrived) and isinstance(second[1], Arrived):
                first, second = second, first
            self._queue.appendleft(second)
            return first
        return self._queue.popleft()


class MemoryLink:
    """`agent.link.Link` over a `MemoryBroker`. `drop()` is what a link cannot do to itself: die without a goodbye."""

    def __init__(self, broker: MemoryBroker, client_id: str, will: tuple[str, bytes] | None) -> None:
        self.client_id, self.will = client_id, will
        self.session: _Session | None = None
        self._broker = broker
        self._sink: Sink | None = None
        self._tokens = 0

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._broker.join(self)

    def stop(self) -> None:
        self._broker.leave(self, will=False)
        self._sink = None

    def drop(self) -> None:
        """The client is gone without a goodbye: the broker speaks its will."""
        self._broker.leave(self, will=True)
        self._sink = None

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        if self.session is None:
            return None
        self._tokens += 1
        self._broker.publish(topic, payload, retain=retain)
        self._broker.answer(self, Delivered(self._tokens))
        return self._tokens

    def subscribe(self, filters: Iterable[str]) -> None:
        if self.session is not None:
            self._broker.subscribe(self.session, filters)

    def unsubscribe(self, filters: Iterable[str]) -> None:
        if self.session is not None:
            self.session.remove(filters)

    def receive(self, event: LinkEvent) -> None:
        if self._sink is not None:
            self._sink(event)


def matches(pattern: str, topic: str) -> bool:
    """Does an MQTT filter (`+` one level, a trailing `#` the rest) match `topic`?"""
    levels, words = pattern.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels = levels[:-1]
        words = words[: len(levels)] if len(words) >= len(levels) else words
    return len(levels) == len(words) and all(level in ("+", word) for level, word in zip(levels, words, strict=True))
