"""Many devices in one thread, over a few connections or one each: what they say, and what is said to them."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator

from agent.wire.topics import ROOT
from tests.bench.fleet.packets import PUBLISH, SUBACK, Reader, connect, puback, publish, published, subscribe

CONNECTIONS = 4
_LIMIT_S = 30.0
_MIDS = 65535


class Line:
    """One connection. What is sent waits here until the socket takes it; nothing of it waits for the broker's word."""

    def __init__(self, port: int, client_id: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self._reader, self._out, self._mid = Reader(), bytearray(connect(client_id)), 0
        self.subscribed = 0

    def publish(self, topic: bytes, payload: bytes, *, retain: bool = False) -> None:
        self._mid = self._mid % _MIDS + 1
        self._out += publish(topic, payload, self._mid, retain=retain)

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """`subscribed` counts what the broker has said yes to."""
        self._mid = self._mid % _MIDS + 1
        self._out += subscribe(self._mid, topic_filter, qos)

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
            elif packet.kind == SUBACK:
                self.subscribed += 1


class Crowd:
    """The devices of `ids`, over so many `connections`, or one each where there are as many.

    `hear` says what they, or whoever listens in their place, want to be told.
    """

    def __init__(self, port: int, ids: list[str], connections: int = CONNECTIONS) -> None:
        self.ids = ids
        self._lines = [Line(port, f"crowd-{number}") for number in range(connections)]
        self._of = {device: self._lines[number % connections] for number, device in enumerate(ids)}
        self._selector = selectors.DefaultSelector()
        for line in self._lines:
            self._selector.register(line.sock, selectors.EVENT_READ, line)
        self._said, self._stuck = dict.fromkeys(self._lines), set[Line]()

    def hear(self, leaf: str, qos: int) -> None:
        """Where one hears for all, until the broker has said yes; what else comes meanwhile is lost."""
        if len(self._lines) == len(self.ids):
            for device, line in self._of.items():
                line.subscribe(f"{ROOT}/{device}/{leaf}", qos)
            self._said.update(dict.fromkeys(self._lines))
            return
        ear = self._lines[0]
        ear.subscribe(f"{ROOT}/+/{leaf}", qos)
        self._said[ear] = None
        wanted = ear.subscribed + 1
        while ear.subscribed < wanted:
            for _ in self.turn(0.1):
                pass

    def say(self, device: str, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        line = self._of[device]
        line.publish(f"{ROOT}/{device}/{leaf}".encode(), payload, retain=retain)
        self._said[line] = None

    def turn(self, wait_s: float) -> Iterator[tuple[str, str, bytes]]:
        """Move packets; device, leaf and payload of what came in."""
        self._write()
        for key, mask in self._selector.select(wait_s):
            if mask & selectors.EVENT_READ:
                self._said[key.data] = None
                for topic, payload in key.data.read():
                    device, leaf = topic.decode().split("/")[2:4]
                    yield device, leaf, payload
        self._write()

    def _write(self) -> None:
        """What was said; where a socket takes no more it is waited for."""
        for line in {**self._said, **dict.fromkeys(self._stuck)}:
            line.write()
            if line.waiting != (line in self._stuck):
                (self._stuck.add if line.waiting else self._stuck.discard)(line)
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.waiting else 0)
                self._selector.modify(line.sock, events, line)
        self._said.clear()

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
