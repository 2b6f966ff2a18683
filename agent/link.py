"""What both daemons need of a link to the broker; `MqttLink` and the in-memory link of `agent.simulate` are the two.

While a link is down a publish is refused rather than queued: both sides send their state again on `Connected`, so
nothing stale is ever replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted us; subscriptions are made by the receiver of this event."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The broker (not the receiver) has the publish that returned this token."""

    token: int


LinkEvent = Connected | Disconnected | Arrived | Delivered
Sink = Callable[[LinkEvent], None]


class Link(Protocol):
    def start(self, sink: Sink) -> None:
        """Connect, and again whenever the connection is lost. The sink is to take events in and do nothing else."""

    def stop(self) -> None:
        """Send what is waiting, say goodbye (no will is sent) and end."""

    def drop(self) -> None:
        """End without a goodbye, as a device whose power fails: the broker speaks the will."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """QoS 1. Returns a token that comes back in `Delivered`, or None where the link is down or its outbox full."""

    def subscribe(self, filters: Iterable[str]) -> None: ...
    def unsubscribe(self, filters: Iterable[str]) -> None: ...
