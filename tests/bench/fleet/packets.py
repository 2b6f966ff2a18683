"""MQTT 3.1.1 packets, as far as a crowd of devices needs them.

paho takes a tenth of a millisecond of Python for each message that is sent and acknowledged. Of the two cores that a
benchmark has, the devices are to leave as much as they can to what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PUBLISH, PUBACK, SUBACK = 3, 4, 9
_KEEPALIVE_S = 3600  # longer than any part: nobody pings


@dataclass(frozen=True, slots=True)
class Packet:
    kind: int
    flags: int
    body: bytes


def connect(client_id: str) -> bytes:
    """A session that the broker forgets when it ends."""
    return _packet(0x10, b"\x00\x04MQTT\x04\x02" + _KEEPALIVE_S.to_bytes(2, "big") + _text(client_id.encode()))


def subscribe(mid: int, topic_filter: str, qos: int) -> bytes:
    return _packet(0x82, mid.to_bytes(2, "big") + _text(topic_filter.encode()) + bytes([qos]))


def publish(topic: bytes, payload: bytes, mid: int, *, retain: bool = False) -> bytes:
    """With QoS 1."""
    return _packet(0x33 if retain else 0x32, b"%b%b%b" % (_text(topic), mid.to_bytes(2, "big"), payload))


def puback(mid: bytes) -> bytes:
    return b"\x40\x02" + mid


def published(packet: Packet) -> tuple[bytes, bytes, bytes]:
    """Topic, message id (empty with QoS 0) and payload of a PUBLISH."""
    body, at = packet.body, 2 + int.from_bytes(packet.body[:2], "big")
    if not packet.flags & 0x06:
        return body[2:at], b"", body[at:]
    return body[2:at], body[at : at + 2], body[at + 2 :]


class Reader:
    """Takes packets out of what came in, in whatever pieces it came."""

    def __init__(self) -> None:
        self._rest = b""

    def packets(self, data: bytes) -> Iterator[Packet]:
        data, at = self._rest + data, 0
        while (head := _head(data, at)) is not None and head[1] <= len(data):
            start, end = head
            yield Packet(data[at] >> 4, data[at] & 0x0F, data[start:end])
            at = end
        self._rest = data[at:]


def _head(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` starts and ends; None where its length is not there yet."""
    length = shift = 0
    for place in range(at + 1, min(at + 5, len(data))):
        length |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            return place + 1, place + 1 + length
    return None


def _packet(head: int, body: bytes) -> bytes:
    length, sizes = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        sizes.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([head]) + bytes(sizes) + body


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text
