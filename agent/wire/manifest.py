"""What a device checks an artifact by: the digest of each block, and the answers that it must give.

An artifact has one manifest, and an assignment names it by its own SHA-256. It travels as an artifact does, in blocks
of `BLOCK_BYTES` under its digest; what was signed vouches for it, so that it needs no signature of its own. It is
MessagePack, with 32 bytes a block.
"""

from __future__ import annotations

import hashlib

import msgspec

from agent.wire import blocks
from agent.wire.errors import WireError
from agent.wire.messages import MAX_BYTES, Assignment, Count

DIGEST_BYTES = 32
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""What an artifact of nearly 8 GiB takes."""


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """Answers that a device must reproduce within `tolerance` (absolute plus relative); none are compared without any.

    `outputs` are the first values of the flattened first output, for the inputs that `golden_inputs(seed)` of the
    worker makes.
    """

    seed: Count = 0
    outputs: list[list[float]] = []
    tolerance: float = 1e-3


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Of the artifact `sha256`. `blocks` has the SHA-256 of each block of `block_bytes`, one behind the other."""

    sha256: str
    size_bytes: Count
    block_bytes: Count
    blocks: bytes
    golden: Golden = Golden()

    @property
    def total(self) -> int:
        """How many blocks there are."""
        return len(self.blocks) // DIGEST_BYTES

    def is_block(self, index: int, data: bytes) -> bool:
        """Is `data` the block that stands there?"""
        start = index * DIGEST_BYTES
        return hashlib.sha256(data).digest() == self.blocks[start : start + DIGEST_BYTES]


def make_manifest(artifact: bytes, golden: Golden) -> Manifest:
    return Manifest(
        sha256=blocks.digest(artifact),
        size_bytes=len(artifact),
        block_bytes=blocks.BLOCK_BYTES,
        blocks=b"".join(hashlib.sha256(block).digest() for block in blocks.cut(artifact)),
        golden=golden,
    )


def encode_manifest(manifest: Manifest) -> bytes:
    return msgspec.msgpack.encode(manifest)


def read_manifest(body: bytes) -> Manifest:
    """Raises `WireError` where `body` is no manifest, or one that contradicts itself."""
    try:
        manifest = msgspec.msgpack.decode(body, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"manifest: {error}") from None
    return _sound(manifest)


def manifest_for(assignment: Assignment, body: bytes) -> Manifest:
    """The manifest that `assignment` names. Raises `WireError` where it is that of another artifact."""
    manifest = read_manifest(body)
    if (manifest.sha256, manifest.size_bytes) != (assignment.sha256, assignment.size_bytes):
        raise WireError(f"manifest: of {manifest.size_bytes} bytes with the digest {manifest.sha256}")
    return manifest


def inline_manifest(assignment: Assignment) -> Manifest:
    """What an assignment of wire 1 says in place of a manifest. Raises `WireError`."""
    try:
        digests = bytes.fromhex("".join(assignment.blocks))
    except ValueError as error:
        raise WireError(f"manifest: block digests: {error}") from None
    manifest = Manifest(
        sha256=assignment.sha256,
        size_bytes=assignment.size_bytes,
        block_bytes=assignment.block_bytes,
        blocks=digests,
        golden=inline_golden(assignment),
    )
    return _sound(manifest)


def inline_golden(assignment: Assignment) -> Golden:
    return Golden(seed=assignment.golden_seed, outputs=assignment.golden_outputs, tolerance=assignment.golden_tolerance)


def _sound(manifest: Manifest) -> Manifest:
    if manifest.size_bytes < 1 or not 1 <= manifest.block_bytes <= MAX_BYTES:
        raise WireError(f"manifest: {manifest.size_bytes} bytes in blocks of {manifest.block_bytes}")
    expected = blocks.count(manifest.size_bytes, manifest.block_bytes)
    if len(manifest.blocks) != expected * DIGEST_BYTES:
        raise WireError(f"manifest: {len(manifest.blocks)} bytes of digests for {expected} blocks")
    return manifest
