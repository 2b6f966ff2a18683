"""The MQTT link of both sides: paho in one thread, which only moves packets and hands events to a sink.

paho's own loops are not used: they `select()` (nothing above descriptor 1,023 ever connects), reconnect without jitter
and let a callback's exception kill the thread silently. Here every call into paho happens on the pump thread;
publishing from elsewhere puts into an outbox and wakes it. While the link is down a publish is refused rather than
queued: both sides send their state again on `Connected`, so nothing stale is ever replayed.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

INFLIGHT = 20
OUTBOX = 4096
KEEPALIVE_S = 20
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 0.5, 60.0


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
    """What both daemons need of a link; `MqttLink` and the in-memory link of `agent.simulate` are the two adapters."""

    def start(self, sink: Sink) -> None: ...
    def stop(self) -> None: ...
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """QoS 1. Returns a token that comes back in `Delivered`, or None where the link is down or its outbox full."""

    def subscribe(self, filters: Iterable[str]) -> None: ...
    def unsubscribe(self, filters: Iterable[str]) -> None: ...


def backoff_s(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Full jitter: uniform in [0, min(cap, first * 2^attempt)], so that a fleet does not reconnect in step."""
    return uniform(0.0, min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2.0 ** min(attempt, 16)))


@dataclass(frozen=True, slots=True)
class _Publish:
    token: int
    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class _Subscribe:
    filters: tuple[str, ...]
    on: bool


class MqttLink:
    """A persistent MQTT 3.1.1 session over TCP, as `client_id`, with an optional retained last will."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        will: tuple[str, bytes] | None = None,
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        self._host, self._port, self._keepalive_s = host, port, keepalive_s
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.max_inflight_messages_set(INFLIGHT)
        self._client.max_queued_messages_set(INFLIGHT)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._outbox: deque[_Publish | _Subscribe] = deque()
        self._tokens: dict[int, int] = {}
        self._next_token = 0
        self._up = False
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._sink: Sink = lambda _event: None
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._thread.start()

    def stop(self) -> None:
        """Send what is in the outbox, say goodbye (no will is sent) and end the thread."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._wake_read.close()
        self._wake_write.close()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        with self._lock:
            if not self._up or len(self._outbox) >= OUTBOX:
                return None
            self._next_token += 1
            token = self._next_token
            self._outbox.append(_Publish(token, topic, payload, retain))
        self._wake()
        return token

    def subscribe(self, filters: Iterable[str]) -> None:
        self._subscription(tuple(filters), on=True)

    def unsubscribe(self, filters: Iterable[str]) -> None:
        self._subscription(tuple(filters), on=False)

    def _subscription(self, filters: tuple[str, ...], *, on: bool) -> None:
        with self._lock:
            if not self._up or not filters:
                return
            self._outbox.append(_Subscribe(filters, on))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: a wake-up is under way; closed: we are stopping
            self._wake_write.send(b"\0")

    # --- the pump thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                self._client.connect(self._host, self._port, self._keepalive_s)
                if self._pump():
                    attempt = 0
            except OSError as error:
                if attempt == 0:
                    self._sink(Disconnected(f"cannot reach {self._host}:{self._port}: {error}"))
            self._stopping.wait(backoff_s(attempt, random.uniform))
            attempt += 1

    def _pump(self) -> bool:
        """Move packets until the connection ends; True if the broker had accepted us."""
        accepted = False
        sock = cast(socket.socket, self._client.socket())
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while self._client.socket() is sock:
                write = selectors.EVENT_WRITE if self._client.want_write() else 0
                selector.modify(sock, selectors.EVENT_READ | write)
                for key, mask in selector.select(1.0):
                    self._serve(key.fileobj is sock, mask)
                self._client.loop_misc()
                accepted = accepted or self._up
                self._feed()
                if self._stopping.is_set() and self._drained():
                    self._client.disconnect()
                    break
        return accepted

    def _serve(self, is_broker: bool, mask: int) -> None:
        if not is_broker:
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(4096)
            return
        if mask & selectors.EVENT_READ:
            self._client.loop_read()
        if mask & selectors.EVENT_WRITE:
            self._client.loop_write()

    def _feed(self) -> None:
        while self._up and len(self._tokens) < INFLIGHT:
            with self._lock:
                if not self._outbox:
                    return
                item = self._outbox.popleft()
            if isinstance(item, _Publish):
                info = self._client.publish(item.topic, item.payload, qos=1, retain=item.retain)
                if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self._tokens[info.mid] = item.token
            elif item.on:
                self._client.subscribe([(each, 1) for each in item.filters])
            else:
                self._client.unsubscribe(list(item.filters))

    def _drained(self) -> bool:
        with self._lock:
            return not self._up or (not self._outbox and not self._tokens)

    # --- paho's callbacks: translate and hand on, nothing else ------------------------------------------------------

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._sink(Disconnected(f"the broker refused us: {reason}"))
            return
        self._up = True
        self._sink(Connected())

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        with self._lock:
            self._up = False
            self._outbox.clear()
            self._tokens.clear()
        self._sink(Disconnected(str(reason)))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._sink(Arrived(message.topic, bytes(message.payload)))

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        token = self._tokens.pop(mid, None)
        if token is not None:
            self._sink(Delivered(token))
