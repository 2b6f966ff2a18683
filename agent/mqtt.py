"""The MQTT link of both sides: paho on a pump, which only moves packets and hands events to a sink.

paho's own loops are not used: they `select()` (nothing above descriptor 1,023 ever connects), reconnect without jitter
and let a callback's exception kill the thread silently. Here every call into paho happens in the pump's turns;
publishing from elsewhere puts into an outbox and wakes it. What was on the wire and not acknowledged when a connection
broke is the session's: paho sends it again, before anything new, and it takes its share of what may be in flight.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from agent.bounded import BoundedClient
from agent.link import Arrived, Connected, Delivered, Disconnected, LinkEvent, Sink
from agent.pump import READ, WRITE, Pump
from agent.receipts import Receipts

INFLIGHT = 20
OUTBOX = 4096
KEEPALIVE_S = 20
_BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 60.0
_SILENCE = 1.5  # of a keepalive: paho itself takes two to notice that nobody is there
_CHORES_S = 0.5  # at most: where keepalives are short, a sixteenth of one, so that a ping's answer has its time
_LASTING = 0.25  # of a keepalive, before the backoff starts anew: two of one name throw each other out much sooner
_STOP_S = 5.0
_PORTION = 32  # packets read in a turn: a sink may take its time over each, and pings want theirs

_log = logging.getLogger("agent")


def backoff_s(attempt: int, uniform: Callable[[float, float], float], most_s: float = BACKOFF_MAX_S) -> float:
    """Full jitter: uniform in [0, min(most, first * 2^attempt)], so that a fleet does not reconnect in step."""
    return uniform(0.0, min(most_s, _BACKOFF_FIRST_S * 2.0 ** min(attempt, 16)))


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
    """A persistent MQTT 3.1.1 session over TCP, as `client_id`, with an optional retained last will.

    It runs in a thread of its own, or on a `pump` that others turn. With `manual_ack` a message is acknowledged when
    `acknowledge` is told so, else as soon as the sink has it. `backoff_max_s` is the longest wait before it connects
    again: a minute for one of many, less for one that all others wait for.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        will: tuple[str, bytes] | None = None,
        keepalive_s: int = KEEPALIVE_S,
        pump: Pump | None = None,
        manual_ack: bool = False,
        backoff_max_s: float = BACKOFF_MAX_S,
    ) -> None:
        self._backoff_max_s = backoff_max_s
        self._host, self._port, self._keepalive_s = host, port, keepalive_s
        self._client = BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=manual_ack,
        )
        self._client.max_inflight_messages_set(INFLIGHT)
        self._client.max_queued_messages_set(INFLIGHT)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_socket_open = self._on_socket_open
        self._client.on_socket_close = self._on_socket_close
        self._outbox: deque[_Publish | _Subscribe] = deque()
        self._tokens: dict[int, int | None] = {}  # what paho has in flight; None is left over from a broken connection
        self._next_token = 0
        self._manual_ack = manual_ack
        self._receipts = Receipts()
        self._up = self._said_down = self._stopping = self._over = False
        self._attempt = 0
        self._since_s = self._heard_s = 0.0
        self._chores_s = min(_CHORES_S, keepalive_s / 16)
        self._hung_up = ""
        self._lock = threading.Lock()
        self._sink: Sink = lambda _event: None
        self._pump = pump or Pump()
        self._thread = None if pump else threading.Thread(target=self._turn, name="link", daemon=True)

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._pump.soon(self._connect)
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        self._end(self._leave)

    def drop(self) -> None:
        self._end(self._vanish)

    def cut(self) -> None:
        """Break the connection, as a bad network does; the link connects again."""
        self._pump.soon(lambda: self._hang_up("cut"))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        with self._lock:
            if not self._up or len(self._outbox) >= OUTBOX:
                return None
            self._next_token += 1
            token = self._next_token
            self._outbox.append(_Publish(token, topic, payload, retain))
        self._pump.soon(self._feed)
        return token

    def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        safe = tuple(messages)
        if safe:
            self._pump.soon(lambda: self._tell_all(safe))

    def acknowledge(self, tokens: Iterable[int]) -> None:
        safe = tuple(tokens)
        self._pump.soon(lambda: self._acknowledge(safe))

    def subscribe(self, filters: Iterable[str], *, anew: bool = False) -> None:
        chosen = tuple(filters)
        if anew:
            self._subscription(chosen, on=False)
        self._subscription(chosen, on=True)

    def unsubscribe(self, filters: Iterable[str]) -> None:
        self._subscription(tuple(filters), on=False)

    def _subscription(self, filters: tuple[str, ...], *, on: bool) -> None:
        with self._lock:
            if not self._up or not filters:
                return
            self._outbox.append(_Subscribe(filters, on))
        self._pump.soon(self._feed)

    def _end(self, how: Callable[[], None]) -> None:
        self._pump.soon(how)
        if self._thread is not None and self._thread.ident is None:
            self._pump.close()
        elif self._thread is not None:
            self._thread.join(_STOP_S)
        until_s = time.monotonic() + _STOP_S
        while self._thread is None and not self._over and time.monotonic() < until_s:
            self._pump.turn(0.1)

    def _turn(self) -> None:
        while not self._over:
            self._pump.turn(1.0)
        self._pump.close()

    # --- in the pump's turns: a connection from its beginning to its end ---------------------------------------------

    def _connect(self) -> None:
        if self._stopping:
            self._over = True
            return
        try:
            self._client.connect(self._host, self._port, self._keepalive_s)
        except (OSError, ValueError) as error:  # a ValueError: the host is no name that could be looked up
            self._lost(f"cannot reach {self._host}:{self._port}: {error}")
            self._connect_later()
            return
        self._settle()

    def _connect_later(self) -> None:
        self._pump.later(backoff_s(self._attempt, random.uniform, self._backoff_max_s), self._connect)
        self._attempt += 1

    def _ready(self, mask: int) -> None:
        """Move packets."""
        try:
            if mask & READ:
                self._heard_s = time.monotonic()
                self._read()
            if mask & WRITE:
                self._client.loop_write()
        except Exception:  # a packet that paho cannot take apart, and would try again for ever instead of reading on
            _log.exception("event=link_failed")
            self._hang_up("a packet could not be understood")
            self._client.disconnect()  # cannot be written any more, which closes
        self._feed()

    def _read(self) -> None:
        """Take in what has come, a portion now and the rest in the next turns."""
        for _ in range(_PORTION):
            self._client.loop_read()
            if not self._client.is_ahead:
                return
        self._pump.soon(self._read_on)

    def _read_on(self) -> None:
        if self._client.is_ahead:
            self._ready(READ)

    def _chores(self, sock: socket.socket) -> None:
        """What the time asks for while this is the connection: pings, and its end where nobody is at the other side."""
        if self._sock is not sock:
            return
        now_s = time.monotonic()
        if now_s - self._heard_s > _SILENCE * self._keepalive_s - self._chores_s:
            self._hang_up(f"nothing heard for {now_s - self._heard_s:.1f} s")
        if self._up and now_s - self._since_s > _LASTING * self._keepalive_s:
            self._attempt = 0
        self._client.loop_misc()
        self._pump.later(self._chores_s, lambda: self._chores(sock))
        self._settle()

    def _hang_up(self, reason: str) -> None:
        """The socket reads as ended from now on, and paho finds it so."""
        self._hung_up = reason
        self._client.end()
        if self._sock is not None:
            with contextlib.suppress(OSError):  # the other side was quicker
                self._sock.shutdown(socket.SHUT_RDWR)

    def _lost(self, reason: str) -> None:
        """Say that there is no connection, once until there is one again."""
        with self._lock:
            self._up = False
            self._outbox.clear()
        self._tokens = dict.fromkeys(self._tokens)
        self._receipts.forget()
        if not self._said_down:
            self._said_down = True
            self._tell(Disconnected(reason))

    def _tell(self, event: LinkEvent) -> None:
        """Where a sink raises, hang up before paho acknowledges: what was not taken in comes again."""
        try:
            self._sink(event)
        except Exception:
            _log.exception("event=sink_failed")
            self._hang_up("an event could not be taken in")

    def _acknowledge(self, tokens: tuple[int, ...]) -> None:
        packet_ids = self._receipts.confirm(tokens)
        if packet_ids:
            self._client.acknowledge(packet_ids)
            self._settle()

    def _tell_all(self, messages: tuple[tuple[str, bytes], ...]) -> None:
        if self._up:
            self._client.tell(messages)
            self._settle()

    def _feed(self) -> None:
        while self._up and len(self._tokens) < INFLIGHT:
            with self._lock:
                if not self._outbox:
                    break
                item = self._outbox.popleft()
            self._send(item)
        self._settle()

    def _send(self, item: _Publish | _Subscribe) -> None:
        try:
            self._hand_over(item)
        except ValueError:  # no topic or filter
            _log.exception("event=not_sent")

    def _hand_over(self, item: _Publish | _Subscribe) -> None:
        if isinstance(item, _Publish):
            info = self._client.publish(item.topic, item.payload, qos=1, retain=item.retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:  # whatever else went wrong, paho sends it again
                self._tokens[info.mid] = item.token if self._up else None
        elif item.on:
            self._client.subscribe([(each, 1) for each in item.filters])
        else:
            self._client.unsubscribe(list(item.filters))

    def _settle(self) -> None:
        """Say goodbye if it is time, and write on when there is room."""
        if self._stopping and self._drained():
            self._client.disconnect()
        if self._sock is not None:
            self._pump.writing(self._sock, on=self._client.want_write())

    def _leave(self) -> None:
        self._stopping = True
        self._over = self._sock is None
        self._settle()

    def _vanish(self) -> None:
        self._stopping = True
        self._over = self._sock is None
        self._hang_up("dropped")

    def _drained(self) -> bool:
        with self._lock:
            return not self._up or (not self._outbox and not self._tokens)

    @property
    def _sock(self) -> socket.socket | None:
        return cast("socket.socket | None", self._client.socket())

    # --- paho's callbacks: translate and hand on, nothing else ------------------------------------------------------

    def _on_socket_open(self, _client: Client, _data: Any, sock: Any) -> None:
        self._since_s = self._heard_s = time.monotonic()
        self._hung_up = ""
        with contextlib.suppress(OSError):  # else a small packet waits 40 ms for the last one
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pump.watch(sock, self._ready)
        self._pump.later(self._chores_s, lambda: self._chores(sock))

    def _on_socket_close(self, _client: Client, _data: Any, sock: Any) -> None:
        self._pump.forget(sock)
        if self._stopping:
            self._over = True
        else:
            self._connect_later()

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._lost(f"the broker refused us: {reason}")
            return
        self._up, self._said_down = True, False
        self._tell(Connected())

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._lost(self._hung_up or str(reason))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)  # raises where the topic is no text
        token = self._receipts.take(message.mid) if self._manual_ack and message.qos == 1 else None
        self._tell(Arrived(topic, payload, retained=message.retain, repeated=message.dup, token=token))

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        token = self._tokens.pop(mid, None)
        if token is not None:
            self._tell(Delivered(token))
