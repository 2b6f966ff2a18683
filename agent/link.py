"""What both daemons need of a link to the broker; `MqttLink` and the in-memory link of `agent.simulate` are the two.

While a link is down a publish is refused rather than queued: both sides send their state again on `Connected`, so
nothing stale is ever replayed. A link acknowledges what arrives on receipt, unless it was made to have that said: then
the broker sends again, after a reconnect, what nobody has acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted us; subscriptions are made by the receiver of this event."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """What was published and is not `Delivered` by now never will be: it may have arrived, or not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """`retained`: it is what the broker had kept when we subscribed, and may be old; what is published now is not.

    `repeated`: the broker has sent it before, in a connection that broke. One that does not is no proof (rumqttd never
    says so). `token` is what it is acknowledged by, None where nobody needs to.
    """

    topic: str
    payload: bytes
    retained: bool = False
    repeated: bool = False
    token: int | None = None


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
        """QoS 1. Returns a token that comes back in `Delivered`.

        None: it was not taken, as the link is down or its outbox full. It is not sent later either, so whoever wants it
        sent tries again.
        """

    def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Topics and payloads with QoS 0, for what is asked for again where it gets lost; nobody hears of it."""

    def acknowledge(self, tokens: Iterable[int]) -> None:
        """Tell the broker that these messages are safe with us. From any thread, in any order.

        Acknowledgements leave in the order of receipt, so one message that is never acknowledged holds up all later
        ones. Tokens of a connection that is lost do nothing: what they stood for comes again.
        """

    def subscribe(self, filters: Iterable[str], *, anew: bool = False) -> None:
        """Receive what matches, retained messages first; nothing where the link is down.

        `anew`: the retained messages come again though the session has the filter already, which rumqttd takes an
        unsubscribing for. That forgets what waits in the broker: only for filters whose retained messages say it all.
        """

    def unsubscribe(self, filters: Iterable[str]) -> None: ...
