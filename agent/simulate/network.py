"""A bad network under simulated devices: real connections that lose messages both ways, and break now and then."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.link import Arrived, LinkEvent, Sink
from agent.mqtt import MqttLink
from agent.pump import Pump


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """`loss` is the share of messages lost; a connection breaks every `cut_s` on average, never where that is None."""

    host: str
    port: int
    pump: Pump
    dice: random.Random
    loss: float = 0.0
    cut_s: float | None = None

    def link(self, client_id: str, will: tuple[str, bytes]) -> NetworkLink:
        return NetworkLink(self, MqttLink(self.host, self.port, client_id, will, pump=self.pump))

    def loses(self) -> bool:
        return self.dice.random() < self.loss


class NetworkLink:
    """`agent.link.Link` over a `Network`."""

    def __init__(self, network: Network, link: MqttLink) -> None:
        self._network, self._link = network, link
        self._sink: Sink | None = None

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._link.start(self._receive)
        self._cut_later()

    def stop(self) -> None:
        self._sink = None
        self._link.stop()

    def drop(self) -> None:
        self._sink = None
        self._link.drop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        return 0 if self._network.loses() else self._link.publish(topic, payload, retain=retain)

    def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self._link.tell([each for each in messages if not self._network.loses()])

    def acknowledge(self, tokens: Iterable[int]) -> None:
        self._link.acknowledge(tokens)

    def subscribe(self, filters: Iterable[str], *, anew: bool = False) -> None:
        self._link.subscribe(filters, anew=anew)

    def unsubscribe(self, filters: Iterable[str]) -> None:
        self._link.unsubscribe(filters)

    def _receive(self, event: LinkEvent) -> None:
        if self._sink is not None and not (isinstance(event, Arrived) and self._network.loses()):
            self._sink(event)

    def _cut_later(self) -> None:
        if self._network.cut_s is not None:
            self._network.pump.later(self._network.dice.expovariate(1 / self._network.cut_s), self._cut)

    def _cut(self) -> None:
        if self._sink is not None:
            self._link.cut()
            self._cut_later()
