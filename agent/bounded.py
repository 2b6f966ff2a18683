"""paho's client with a bound on what a packet takes in memory, and fewer calls into the kernel.

paho reads each packet in four pieces and writes each acknowledgement by itself. Of a controller that hears thousands of
devices, this was most of what the link's thread did.
"""

from __future__ import annotations

from collections.abc import Sequence

from paho.mqtt.client import Client
from paho.mqtt.enums import MessageType

from agent.wire.messages import MAX_BYTES

PACKET_BYTES = MAX_BYTES + 2**17
"""Of a larger packet this much is kept at the least: whatever its topic, the message is still longer than allowed."""

_READ_BYTES = 2**16


class _Skipped(bytes):
    """What was read and is not kept: it has a length, and nothing in it."""

    length = 0

    def __len__(self) -> int:
        return self.length


class BoundedClient(Client):
    """paho gathers packets of up to 256 MB. Of one too large the beginning is kept: enough to acknowledge it, so
    that it does not come again, and too much to be read as a message."""

    _ahead = memoryview(b"")
    _ended = False

    @property
    def is_ahead(self) -> bool:
        """Has more been read than was handled? Then `loop_read` has work of which no selector knows."""
        return len(self._ahead) > 0

    def end(self) -> None:
        """From now on the connection reads as ended, whatever of it has come already."""
        self._ahead, self._ended = memoryview(b""), True

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """As `ack` of each, in that order and in one write."""
        packets = b"".join(b"\x40\x02" + each.to_bytes(2, "big") for each in packet_ids)
        self._packet_queue(MessageType.PUBACK, packets, packet_ids[-1], 1)

    def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """As `publish` of each with QoS 0, in that order and in one write, and without a callback."""
        packets = b"".join(_publish(topic.encode(), payload) for topic, payload in messages)
        self._packet_queue(MessageType.PUBACK, packets, 0, 0)

    def _sock_close(self) -> None:
        super()._sock_close()
        self._ahead, self._ended = memoryview(b""), False

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._ended:
            return b""
        if not self._ahead:
            self._ahead = memoryview(super()._sock_recv(_READ_BYTES))
        data, self._ahead = self._ahead[:bufsize].tobytes(), self._ahead[bufsize:]
        if len(self._in_packet["packet"]) < PACKET_BYTES:
            return data
        skipped = _Skipped()
        skipped.length = len(data)
        return skipped


def _publish(topic: bytes, payload: bytes) -> bytes:
    """A PUBLISH with QoS 0 (MQTT 3.1.1, 3.3)."""
    left, length = 2 + len(topic) + len(payload), bytearray()
    while True:  # seven bits a byte, the lowest first (2.2.3)
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            break
    return b"\x30%b%b%b%b" % (bytes(length), len(topic).to_bytes(2, "big"), topic, payload)
