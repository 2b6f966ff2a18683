"""What a message from the broker means: topic and payload to an event of the device."""

from __future__ import annotations

from dataclasses import dataclass

from agent.step.events import AckArrived, BlockArrived, Event
from agent.wire.messages import Ack, decode
from agent.wire.topics import BlobTopic, Leaf, parse


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the controller desires, signed by whom is to be seen. Checking that takes more than a decision may."""

    payload: bytes


def understand(device: str, topic: str, payload: bytes, now_s: float) -> Event | Envelope | None:
    """What it means, or None for what is not for `device` to hear; raises `WireError` for what the contract forbids.

    An empty envelope is no news: the controller withdrew an assignment, and what runs goes on running.
    """
    where = parse(topic)
    if isinstance(where, BlobTopic):
        return BlockArrived(now_s=now_s, sha256=where.sha256, block=where.block, data=payload)
    if where.device != device:
        return None
    if where.leaf is Leaf.DESIRED:
        return Envelope(payload) if payload else None
    message = decode(where, payload) if where.leaf is Leaf.ACK else None
    if isinstance(message, Ack):
        return AckArrived(now_s=now_s, boot=message.boot, seq=message.seq)
    return None
