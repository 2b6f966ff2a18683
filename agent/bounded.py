"""paho's client with a bound on what a packet takes in memory."""

from __future__ import annotations

from paho.mqtt.client import Client

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

    def _sock_recv(self, bufsize: int) -> bytes:
        data = super()._sock_recv(min(bufsize, _READ_BYTES))
        if len(self._in_packet["packet"]) < PACKET_BYTES:
            return data
        skipped = _Skipped()
        skipped.length = len(data)
        return skipped
