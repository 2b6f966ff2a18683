"""What a broker that somebody else runs holds for one client: measured at the start, where it can still be mended.

A client subscribes and leaves; another one tells it things; when it is back, what comes before it acknowledges anything
is what the broker has in flight to one client, and all that comes is what it keeps for one that is away.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agent.link import Arrived, Connected, Delivered, Disconnected, Link, LinkEvent
from agent.wire.messages import MAX_BYTES
from agent.wire.topics import ROOT

IN_FLIGHT, KEPT = 100, 1000
"""Less is told to the operator. Neither loses telemetry: it comes again until it is answered."""

_TOPIC = f"{ROOT}/_probe/limits"
_LISTENER, _TELLER = "hedgerow-probe", "hedgerow-probe-teller"
_QUIET_S, _PATIENCE_S = 0.5, 10.0
_ADVICE = "deploy/mosquitto/hedgerow.conf has what it needs"

Linked = Callable[[str], Link]
"""Makes a link with a lasting session by its client id, which acknowledges what it is told to."""


class NoAnswerError(Exception):
    """The broker did not do its part in time, so nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`in_flight` and `kept` are counted up to what is wanted; `largest`: does a message of 256 KiB arrive?"""

    in_flight: int
    kept: int
    largest: bool

    def shortfalls(self) -> list[str]:
        """What it should hold and does not, for the operator."""
        flying, kept = self.in_flight < IN_FLIGHT, self.kept < KEPT
        found = {
            f"has {self.in_flight} messages in flight to one client, {IN_FLIGHT} are wanted": flying,
            f"keeps {self.kept} messages for a client that is away, {KEPT} are wanted": kept,
            f"takes no messages of {MAX_BYTES // 1024} KiB, as some are": not self.largest,
        }
        return [f"the broker {what}; {_ADVICE}" for what, short in found.items() if short]


@dataclass(slots=True)
class _Client:
    link: Link
    events: queue.Queue[LinkEvent] = field(default_factory=queue.Queue)

    def next(self, kind: type[LinkEvent], patience_s: float = _PATIENCE_S) -> LinkEvent:
        """Raises `NoAnswerError` where it does not come in time, or the connection ends."""
        until_s = time.monotonic() + patience_s
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left_s)
            except queue.Empty:
                break
            if isinstance(event, kind):
                return event
            if isinstance(event, Disconnected):
                raise NoAnswerError(event.reason)
        raise NoAnswerError(f"no {kind.__name__.lower()} within {patience_s:g} s")

    def drained(self) -> int:
        """How many come until nothing does for a while, where each is acknowledged at once."""
        count = 0
        while tokens := self.some():
            self.link.acknowledge(tokens)
            count += len(tokens)
        return count

    def some(self) -> list[int]:
        """The token of what comes next; nothing where nothing does for a while."""
        try:
            event = self.next(Arrived, _QUIET_S)
        except NoAnswerError:
            return []
        return [event.token] if isinstance(event, Arrived) and event.token is not None else []

    def heard(self) -> list[int]:
        """Tokens of what comes until nothing does for a while."""
        found = list[int]()
        while tokens := self.some():
            found += tokens
        return found


def measure(linked: Linked) -> Limits:
    """Takes some seconds. Raises `NoAnswerError`."""
    with _joined(linked(_LISTENER)) as listener:
        _listen(listener)
    with _joined(linked(_TELLER)) as teller:
        _tell(teller)
    with _joined(linked(_LISTENER)) as listener:
        first = listener.heard()
        listener.link.acknowledge(first)
        kept = len(first) + listener.drained()
        largest = _takes_largest(listener)
        listener.link.unsubscribe([_TOPIC])
    return Limits(min(len(first), IN_FLIGHT), min(kept, KEPT), largest)


@contextmanager
def _joined(link: Link) -> Iterator[_Client]:
    client = _Client(link)
    link.start(client.events.put)
    try:
        client.next(Connected)
        yield client
    finally:
        link.stop()


def _listen(client: _Client) -> None:
    """Subscribed for sure: it hears itself, and what an earlier measurement has left."""
    client.link.subscribe([_TOPIC])
    client.link.publish(_TOPIC, b"")
    heard = client.heard()
    if not heard:
        raise NoAnswerError("it does not hear what it tells itself")
    client.link.acknowledge(heard)


def _tell(client: _Client) -> None:
    for _ in range(KEPT):
        if client.link.publish(_TOPIC, b"") is None:
            raise NoAnswerError("the link is down")
    for _ in range(KEPT):
        client.next(Delivered)


def _takes_largest(client: _Client) -> bool:
    """A broker that does not takes it and forgets it, or ends the connection."""
    client.link.publish(_TOPIC, bytes(MAX_BYTES))
    try:
        client.next(Arrived)
    except NoAnswerError:
        return False
    return True
