"""Brokers by URL: `embedded:127.0.0.1:1883` runs one in a child process, `mqtt://host:port` uses one that is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.broker.embedded import EmbeddedBroker


class BrokerError(ValueError):
    """The broker URL is not one that we know, or its broker cannot be started."""


class Broker(Protocol):
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ExternalBroker:
    """A broker that somebody else runs; nothing to start or stop."""

    host: str
    port: int

    def start(self) -> None: ...
    def stop(self) -> None: ...


def broker_from(url: str, state: Path) -> Broker:
    """The broker that `url` names, not started yet. Raises `BrokerError` saying which URLs are allowed."""
    scheme, _, rest = url.partition(":")
    host, _, port = rest.removeprefix("//").rpartition(":")
    if scheme not in ("embedded", "mqtt") or not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise BrokerError(f"broker {url!r}: 'embedded:127.0.0.1:1883' or 'mqtt://host:1883' are allowed")
    if scheme == "mqtt":
        return ExternalBroker(host, int(port))
    if host not in ("127.0.0.1", "localhost"):
        raise BrokerError(f"broker {url!r}: the embedded one has no access control, so it listens on 127.0.0.1 only")
    return EmbeddedBroker("127.0.0.1", int(port), state)
