"""A controller's hand for tests of the device: a key, artifacts, signed assignments, blocks on demand."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.link import Arrived, Connected, Link, LinkEvent
from agent.wire import blocks
from agent.wire.manifest import Golden, Manifest, encode_manifest, make_manifest
from agent.wire.messages import WIRE, Ack, Assignment, Message, Need, Reported, Telemetry, decode, encode
from agent.wire.signing import sign
from agent.wire.topics import BlobTopic, DeviceTopic, Leaf, controller_filters, parse, topic

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PROFILE = """
device: dev-1
class: board
deadline: 40 ms
rate: 5 Hz
memory: {total: 96 MiB}
power: {idle: 1 W, busy: 3 W}
thermal: {limit: 60 C, ambient: 25 C, resistance: 8 C/W, time_constant: 30 s}
battery: {capacity: 10 Wh, lifetime: 5 h}
"""


def artifact(seed: int, size_bytes: int = 200_000) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(data: bytes) -> Manifest:
    return make_manifest(data, Golden())


def manifest_body(data: bytes) -> bytes:
    return encode_manifest(manifest(data))


def assignment(data: bytes, seq: int, **changes: object) -> Assignment:
    """As a controller of this release makes it."""
    body = manifest_body(data)
    fields: dict[str, object] = {"wire": WIRE, "manifest": sha256(body), "manifest_bytes": len(body), "blocks": []}
    return assignment_of_0_1(data, seq, **{**fields, **changes})


def assignment_of_0_1(data: bytes, seq: int, **changes: object) -> Assignment:
    """Of wire 1: with the digests of its blocks in it."""
    fields: dict[str, object] = {
        "device": "dev-1",
        "epoch": 1,
        "seq": seq,
        "model": "m@1",
        "sha256": sha256(data),
        "size_bytes": len(data),
        "block_bytes": blocks.BLOCK_BYTES,
        "blocks": blocks.digests(data),
        "rate_hz": 5.0,
        "runtime": "ncnn" if data.startswith(b"PK") else "onnxruntime",
    }
    return Assignment(**{**fields, **changes})  # type: ignore[arg-type]


class Linking(Protocol):
    def link(self, client_id: str) -> Link: ...


@dataclass
class Hand:
    """The least controller: answers needs with blocks and telemetry with acks, and keeps what it heard."""

    broker: Linking
    artifacts: dict[str, bytes] = field(default_factory=dict)
    heard: list[Message] = field(default_factory=list)
    acks: bool = True
    sends_blocks: bool = True

    def __post_init__(self) -> None:
        self.inbox: deque[LinkEvent] = deque()
        self.link = self.broker.link("controller")
        self.link.start(self.inbox.append)

    def add(self, *artifacts: bytes) -> None:
        """With their manifests, which travel as they do."""
        for data in artifacts:
            self.artifacts.update({sha256(each): each for each in (data, manifest_body(data))})

    def assign(self, wanted: Assignment, key: Ed25519PrivateKey = KEY) -> None:
        self.link.publish(topic(wanted.device, Leaf.DESIRED), sign(wanted, key), retain=True)

    def work(self) -> None:
        while self.inbox:
            event = self.inbox.popleft()
            if isinstance(event, Connected):
                self.link.subscribe(controller_filters())
            elif isinstance(event, Arrived):
                where = parse(event.topic)
                assert isinstance(where, DeviceTopic)
                self.answer(decode(where, event.payload))

    def answer(self, message: Message) -> None:
        self.heard.append(message)
        if isinstance(message, Need) and self.sends_blocks and message.sha256 in self.artifacts:
            cut = blocks.cut(self.artifacts[message.sha256])
            for index in blocks.unpack(message.missing, len(cut)):
                self.link.publish(str(BlobTopic(message.sha256, index)), cut[index])
        if isinstance(message, Telemetry) and self.acks:
            ack = Ack(device=message.device, boot=message.boot, seq=message.windows[-1].seq)
            self.link.publish(topic(message.device, Leaf.ACK), encode(ack))

    def last(self, kind: type[Message]) -> Message | None:
        return next((each for each in reversed(self.heard) if isinstance(each, kind)), None)

    def reported(self) -> Reported:
        message = self.last(Reported)
        assert isinstance(message, Reported)
        return message
