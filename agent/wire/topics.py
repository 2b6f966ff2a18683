"""Builds and parses every topic: `hedgerow/v1/{device}/{leaf}` and `hedgerow/v1/_blob/{sha256}/{block}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from agent.wire.errors import WireError

ROOT = "hedgerow/v1"
_BLOBS = f"{ROOT}/_blob/"
_DEVICE = re.compile(r"[a-z0-9-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = re.compile(r"[0-9]{1,9}")


class Leaf(StrEnum):
    STATUS = "status"
    INFO = "info"
    DESIRED = "desired"
    REPORTED = "reported"
    TELEMETRY = "telemetry"
    ACK = "ack"
    EVENT = "event"
    NEED = "need"


_LEAVES = frozenset(leaf.value for leaf in Leaf)
RETAINED = frozenset({Leaf.STATUS, Leaf.INFO, Leaf.DESIRED, Leaf.REPORTED})
FROM_DEVICE = (Leaf.STATUS, Leaf.INFO, Leaf.REPORTED, Leaf.TELEMETRY, Leaf.EVENT, Leaf.NEED)
FROM_CONTROLLER = (Leaf.DESIRED, Leaf.ACK)


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    device: str
    leaf: Leaf

    def __str__(self) -> str:
        return f"{ROOT}/{self.device}/{self.leaf}"


@dataclass(frozen=True, slots=True)
class BlobTopic:
    sha256: str
    block: int

    def __str__(self) -> str:
        return f"{_BLOBS}{self.sha256}/{self.block}"


def device_id(text: str) -> str:
    """Return `text` if it is a device id, raise `WireError` saying what is allowed otherwise."""
    if not _DEVICE.fullmatch(text):
        raise WireError(f"device id {text!r}: 1 to 64 of a-z, 0-9 and '-' are allowed")
    return text


def topic(device: str, leaf: Leaf) -> str:
    return str(DeviceTopic(device_id(device), leaf))


def blob_filter(sha256: str) -> str:
    """The subscription that receives every block of one artifact."""
    return f"{_BLOBS}{sha256}/+"


def controller_filters() -> list[str]:
    return [f"{ROOT}/+/{leaf}" for leaf in FROM_DEVICE]


def retained_filters() -> list[str]:
    """Those of what the broker keeps of every device."""
    return [f"{ROOT}/+/{leaf}" for leaf in FROM_DEVICE if leaf in RETAINED]


def device_filters(device: str) -> list[str]:
    return [topic(device, leaf) for leaf in FROM_CONTROLLER]


def is_block(text: str) -> bool:
    """Is a topic that of an artifact's block?"""
    return text.startswith(_BLOBS)


def parse(text: str) -> DeviceTopic | BlobTopic:
    """Parse a topic of ours; raise `WireError` for any other."""
    parts = text.split("/")
    if parts[:2] != ROOT.split("/") or len(parts) not in (4, 5):
        raise WireError(f"topic {text!r} is not under {ROOT}")
    if parts[2] == "_blob":
        return _blob(text, parts[3:])
    if len(parts) != 4 or parts[3] not in _LEAVES:
        raise WireError(f"topic {text!r}: the last level must be one of {', '.join(Leaf)}")
    return DeviceTopic(device_id(parts[2]), Leaf(parts[3]))


def _blob(text: str, parts: list[str]) -> BlobTopic:
    if len(parts) != 2 or not _SHA256.fullmatch(parts[0]) or not _BLOCK.fullmatch(parts[1]):
        raise WireError(f"topic {text!r}: a block is _blob/<sha256>/<number of at most 9 digits>")
    return BlobTopic(parts[0], int(parts[1]))
