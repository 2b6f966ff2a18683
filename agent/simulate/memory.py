"""A broker in memory and its links, for stories under a virtual clock.

Nothing happens until `MemoryBroker.pump()`: publishes wait in one queue and are delivered in order, synchronously, to
the sinks of the links. As on a real broker, retained messages greet a subscriber, a session outlives its connection,
keeps QoS 1 messages for it and sends again what was not acknowledged, and a connection that drops speaks its last will.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent, Sink
from agent.receipts import Receipts
from agent.simulate.session import Packet, Session, matches

WINDOW, QUEUE = 100, 1000
OUTBOX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares, 0 to 1, of the deliveries that are lost, doubled, or let a later one pass; decided by `random`."""

    random: random.Random
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0


class MemoryBroker:
    """`link()` connects a client; `pump()` delivers; `stop()` and `start()` are an outage of the broker.

    At most `window` messages are on the way to a client and not acknowledged, at most `queue` wait for it, and at most
    `outbox` publishes of a link wait for `pump`.
    """

    def __init__(
        self, faults: Faults | None = None, *, window: int = WINDOW, queue: int = QUEUE, outbox: int = OUTBOX
    ) -> None:
        self.faults, self.outbox = faults, outbox
        self.retained: dict[str, bytes] = {}
        self.delivered = 0
        self._window, self._most_waiting = window, queue
        self._sessions: dict[str, Session] = {}
        self._links: list[MemoryLink] = []
        self._present: dict[str, MemoryLink] = {}
        self._queue: deque[tuple[MemoryLink, LinkEvent | Packet]] = deque()
        self._up = True

    def link(self, client_id: str, will: tuple[str, bytes] | None = None, *, manual_ack: bool = False) -> MemoryLink:
        """A link for `client_id`; it connects on `start`. As in MQTT, a second one takes the session over."""
        return MemoryLink(self, client_id, will, manual_ack=manual_ack)

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
        for link in [each for each in self._links if not self.has(each)]:
            self._connect(link)

    # --- called by the links ---------------------------------------------------------------------------------------

    def has(self, link: MemoryLink) -> bool:
        """Is this link connected?"""
        return self._present.get(link.client_id) is link

    def join(self, link: MemoryLink) -> None:
        self._links.append(link)
        if self._up:
            self._connect(link)

    def leave(self, link: MemoryLink, *, will: bool) -> None:
        if link in self._links:
            self._links.remove(link)
        if self.has(link):
            self._part(link)
            if will and link.will is not None:
                self.publish(*link.will, retain=True)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if retain:
            self._retain(topic, payload)
        for client_id, session in self._sessions.items():
            if session.accepts(topic):
                self._send(client_id, Arrived(topic, payload))

    def tell(self, topic: str, payload: bytes) -> None:
        """With QoS 0: who is away does not get it later."""
        for client_id, link in self._present.items():
            if self._sessions[client_id].accepts(topic):
                self._queue.extend((link, Arrived(topic, payload)) for _ in range(self._copies()))

    def subscribe(self, client_id: str, filters: Iterable[str]) -> None:
        for each in filters:
            self._sessions[client_id].subscribe(each)
            for topic, payload in self.retained.items():
                if matches(each, topic):
                    self._send(client_id, Arrived(topic, payload, retained=True))

    def unsubscribe(self, client_id: str, filters: Iterable[str]) -> None:
        self._sessions[client_id].unsubscribe(filters)

    def acknowledge(self, client_id: str, packet_ids: Iterable[int]) -> None:
        self._sessions[client_id].acknowledge(packet_ids)
        self._flow(client_id)

    def answer(self, link: MemoryLink, event: LinkEvent) -> None:
        self._queue.append((link, event))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _connect(self, link: MemoryLink) -> None:
        session = self._sessions.setdefault(link.client_id, Session(self._window, self._most_waiting))
        if (other := self._present.get(link.client_id)) is not None:
            self._disconnect(other, "another client took the session over")
        self._present[link.client_id] = link
        self._queue.append((link, Connected()))
        session.resume()
        self._flow(link.client_id)

    def _disconnect(self, link: MemoryLink, reason: str) -> None:
        if self.has(link):
            self._part(link)
            self._queue.append((link, Disconnected(reason)))

    def _part(self, link: MemoryLink) -> None:
        """What is on the way to the link goes with its connection."""
        del self._present[link.client_id]
        on_the_way = (Packet, Arrived, Delivered)
        self._queue = deque(each for each in self._queue if each[0] is not link or not isinstance(each[1], on_the_way))
        link.parted()

    def _retain(self, topic: str, payload: bytes) -> None:
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)

    def _send(self, client_id: str, message: Arrived) -> None:
        for _ in range(self._copies()):
            self._sessions[client_id].offer(message)
        self._flow(client_id)

    def _flow(self, client_id: str) -> None:
        """Send on what the client's window has room for."""
        link = self._present.get(client_id)
        if link is not None:
            self._queue.extend((link, packet) for packet in self._sessions[client_id].due())

    def _copies(self) -> int:
        if self.faults is None:
            return 1
        if self.faults.random.random() < self.faults.drop:
            return 0
        return 2 if self.faults.random.random() < self.faults.duplicate else 1

    def _next(self) -> tuple[MemoryLink, LinkEvent | Packet]:
        faults = self.faults
        if faults is not None and len(self._queue) > 1 and faults.random.random() < faults.reorder:
            first, second = self._queue.popleft(), self._queue.popleft()
            if isinstance(first[1], Packet) and isinstance(second[1], Packet):
                first, second = second, first
            self._queue.appendleft(second)
            return first
        return self._queue.popleft()


class MemoryLink:
    """`agent.link.Link` over a `MemoryBroker`. `drop()` is what a link cannot do to itself: die without a goodbye."""

    def __init__(
        self, broker: MemoryBroker, client_id: str, will: tuple[str, bytes] | None, *, manual_ack: bool = False
    ) -> None:
        self.client_id, self.will = client_id, will
        self._broker = broker
        self._manual_ack = manual_ack
        self._receipts = Receipts()
        self._sink: Sink | None = None
        self._tokens = self._undelivered = 0

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
        if not self._broker.has(self) or self._undelivered >= self._broker.outbox:
            return None
        self._tokens += 1
        self._undelivered += 1
        self._broker.publish(topic, payload, retain=retain)
        self._broker.answer(self, Delivered(self._tokens))
        return self._tokens

    def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        if self._broker.has(self):
            for topic, payload in messages:
                self._broker.tell(topic, payload)

    def acknowledge(self, tokens: Iterable[int]) -> None:
        packet_ids = self._receipts.confirm(tokens)
        if packet_ids:
            self._broker.acknowledge(self.client_id, packet_ids)

    def subscribe(self, filters: Iterable[str], *, anew: bool = False) -> None:  # noqa: ARG002 - always so, as in MQTT
        if self._broker.has(self):
            self._broker.subscribe(self.client_id, filters)

    def unsubscribe(self, filters: Iterable[str]) -> None:
        if self._broker.has(self):
            self._broker.unsubscribe(self.client_id, filters)

    # --- called by the broker --------------------------------------------------------------------------------------

    def parted(self) -> None:
        """The connection is over."""
        self._receipts.forget()
        self._undelivered = 0

    def receive(self, event: LinkEvent | Packet) -> None:
        if self._sink is None:
            return
        if isinstance(event, Packet):
            self._arrived(event, self._sink)
            return
        if isinstance(event, Delivered):
            self._undelivered -= 1
        self._sink(event)

    def _arrived(self, packet: Packet, sink: Sink) -> None:
        token = self._receipts.take(packet.packet_id)
        if self._manual_ack:
            sink(replace(packet.message, token=token))
            return
        sink(packet.message)
        self.acknowledge([token])
