"""What a message from the broker means: topic and payload to an event of the device."""

from __future__ import annotations

from agent.step.events import AckArrived, BlockArrived, DesiredArrived, Event
from agent.wire.messages import Ack, decode
from agent.wire.topics import BlobTopic, Leaf, parse


def understand(device: str, topic: str, payload: bytes, now_s: float, wall_unix_s: float) -> Event | None:
    """The event, or None for what is not for `device` to hear; raises `WireError` for what the contract forbids."""
    where = parse(topic)
    if isinstance(where, BlobTopic):
        return BlockArrived(now_s=now_s, sha256=where.sha256, block=where.block, data=payload)
    if where.device != device:
        return None
    if where.leaf is Leaf.DESIRED:
        return DesiredArrived(now_s=now_s, payload=payload, wall_unix_s=wall_unix_s)
    message = decode(where, payload) if where.leaf is Leaf.ACK else None
    if isinstance(message, Ack):
        return AckArrived(now_s=now_s, boot=message.boot, seq=message.seq)
    return None
