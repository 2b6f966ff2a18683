"""Many devices over a few connections, in one thread: what they say, and what is said to them."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator

from agent.wire.topics import ROOT
from tests.bench.fleet.packets import CONNACK, PUBLISH, SUBACK, Reader, connect, puback, publish, published, subscribe

_CONNECTIONS = 4
_LIMIT_S = 30.0
_MIDS = 65535


class Line:
    """One connection. What is sent waits here until the socket takes it."""

    def __init__(self, port: int, client_id: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader, self._out, self._mid = Reader(), bytearray(), 0
        self.sock.sendall(connect(client_id))
        self._wait_for(CONNACK)
        self.sock.setblocking(False)

    def publish(self, topic: bytes, payload: bytes, *, retain: bool = False) -> None:
        self._mid = self._mid % _MIDS + 1
        self._out += publish(topic, payload, self._mid, retain=retain)

    def subscribe(self, topic_filter: str, qos: int) -> None:
        self.sock.setblocking(True)
        self._mid = self._mid % _MIDS + 1
        self.sock.sendall(self._out + subscribe(self._mid, topic_filter, qos))
        self._out.clear()
        self._wait_for(SUBACK)
        self.sock.setblocking(False)

    @property
    def waiting(self) -> bool:
        return bool(self._out)

    def write(self) -> None:
        if self._out:
            try:
                del self._out[: self.sock.send(self._out)]
            except BlockingIOError:
                return

    def read(self) -> Iterator[tuple[bytes, bytes]]:
        """Topic and payload of each message that is there by now; it is acknowledged."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the broker has closed the connection")
        for packet in self._reader.packets(data):
            if packet.kind == PUBLISH:
                topic, mid, payload = published(packet)
                if mid:
                    self._out += puback(mid)
                yield topic, payload

    def _wait_for(self, kind: int) -> None:
        """What else comes before is lost, so nothing is to be on its way."""
        while kind not in [packet.kind for packet in self._reader.packets(self.sock.recv(4096))]:
            pass


class Crowd:
    """The devices of `ids`. `hear` says what they, or whoever listens in their place, want to be told."""

    def __init__(self, port: int, ids: list[str]) -> None:
        self.ids = ids
        self._lines = [Line(port, f"crowd-{number}") for number in range(_CONNECTIONS)]
        self._of = {device: self._lines[number % _CONNECTIONS] for number, device in enumerate(ids)}
        self._selector = selectors.DefaultSelector()
        for line in self._lines:
            self._selector.register(line.sock, selectors.EVENT_READ, line)

    def hear(self, leaf: str, qos: int) -> None:
        self._lines[0].subscribe(f"{ROOT}/+/{leaf}", qos)

    def say(self, device: str, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        self._of[device].publish(f"{ROOT}/{device}/{leaf}".encode(), payload, retain=retain)

    def turn(self, wait_s: float) -> Iterator[tuple[str, str, bytes]]:
        """Move packets; device, leaf and payload of what came in."""
        for line in self._lines:
            line.write()
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.waiting else 0)
            self._selector.modify(line.sock, events, line)
        for key, mask in self._selector.select(wait_s):
            if mask & selectors.EVENT_READ:
                for topic, payload in key.data.read():
                    device, leaf = topic.decode().split("/")[2:4]
                    yield device, leaf, payload
        for line in self._lines:
            line.write()

    def flush(self) -> None:
        """Until the broker has taken all that was said."""
        end_s = time.monotonic() + _LIMIT_S
        while any(line.waiting for line in self._lines) and time.monotonic() < end_s:
            for _ in self.turn(0.1):
                pass

    def close(self) -> None:
        self._selector.close()
        for line in self._lines:
            line.sock.close()
