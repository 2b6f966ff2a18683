"""A broker that withholds: it greets, counts what is published, and acknowledges only when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

CONNACK, PUBACK, PINGRESP = b"\x20\x02\x00\x00", b"\x40\x02", b"\xd0\x00"


class _Type(IntEnum):
    CONNECT = 1
    PUBLISH = 3
    PUBACK = 4
    PINGREQ = 12
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class Published:
    topic: str
    mid: bytes
    repeated: bool


class FakeBroker:
    """One connection at a time. `published` is what came over the present one, `sessions` counts the connections, and
    `taken` are the packet ids that were acknowledged, of all connections."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.sessions = 0
        self.taken: list[int] = []
        self.published: list[Published] = []
        self._acknowledged = 0
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept, name="fake broker", daemon=True)
        self._thread.start()

    def topics(self) -> list[str]:
        return [each.topic for each in self.published]

    def wait_for(self, count: int, seconds: float = 10.0) -> None:
        """Wait for `count` publishes over the present connection."""
        until_s = time.monotonic() + seconds
        while len(self.published) < count:
            assert time.monotonic() < until_s, f"{len(self.published)} publishes came, not {count}"
            time.sleep(0.01)

    def acknowledge(self, count: int) -> None:
        """Acknowledge the `count` oldest publishes that are not yet."""
        chosen = self.published[self._acknowledged : self._acknowledged + count]
        self._acknowledged += len(chosen)
        self.send(b"".join(PUBACK + each.mid for each in chosen))

    def send(self, packets: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(packets)

    def cut(self) -> None:
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self._acknowledged = 0
            self.published = []
            self.sessions += 1
            self._socket = accepted
            with accepted, accepted.makefile("rb") as stream, contextlib.suppress(OSError):
                self._serve(accepted, stream)

    def _serve(self, to: socket.socket, stream: BinaryIO) -> None:
        while head := stream.read(1):
            body = stream.read(_length(stream))
            match head[0] >> 4:
                case _Type.CONNECT:
                    to.sendall(CONNACK)
                case _Type.PUBLISH:
                    end = 2 + int.from_bytes(body[:2], "big")
                    self.published.append(Published(body[2:end].decode(), body[end : end + 2], bool(head[0] & 8)))
                case _Type.PUBACK:
                    self.taken.append(int.from_bytes(body, "big"))
                case _Type.PINGREQ:
                    to.sendall(PINGRESP)
                case _Type.DISCONNECT:
                    return


def _length(stream: BinaryIO) -> int:
    value, shift = 0, 0
    while byte := stream.read(1):
        value |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            break
    return value


def remaining_length(size: int) -> bytes:
    """As MQTT writes it: seven bits a byte, the lowest first."""
    low, more = size % 128, size // 128
    return bytes([low | 128]) + remaining_length(more) if more else bytes([low])
