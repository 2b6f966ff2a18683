"""An artifact cut into blocks, the digest of each, and the bitmap of those that are still missing."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable

from agent.wire.errors import WireError

BLOCK_BYTES = 64 * 1024


def count(size_bytes: int, block_bytes: int = BLOCK_BYTES) -> int:
    """How many blocks an artifact of `size_bytes` has; an empty artifact has none."""
    return -(-size_bytes // block_bytes)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def cut(data: bytes, block_bytes: int = BLOCK_BYTES) -> list[bytes]:
    return [data[start : start + block_bytes] for start in range(0, len(data), block_bytes)]


def digests(data: bytes, block_bytes: int = BLOCK_BYTES) -> list[str]:
    return [digest(block) for block in cut(data, block_bytes)]


def pack(indices: Iterable[int], total: int) -> str:
    """Bitmap of `indices` out of `total` blocks, least significant bit first, as base64."""
    bits = bytearray(-(-total // 8))
    for index in indices:
        bits[index // 8] |= 1 << (index % 8)
    return base64.b64encode(bytes(bits)).decode()


def unpack(bitmap: str, total: int) -> list[int]:
    """The indices that `pack` put in; raises `WireError` if the bitmap is not one for `total` blocks."""
    try:
        bits = base64.b64decode(bitmap, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"block bitmap: {error}") from None
    if len(bits) != -(-total // 8):
        raise WireError(f"block bitmap: {len(bits)} bytes for {total} blocks")
    return [index for index in range(total) if bits[index // 8] >> (index % 8) & 1]
