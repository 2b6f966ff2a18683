"""What survives a simulated device's death: the record, the artifacts, blocks that arrived, spooled windows."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from agent.record import Record
from agent.wire.manifest import Manifest
from agent.wire.messages import Assignment, Window


@dataclass(slots=True)
class Pool:
    """The bytes of artifacts by sha256, once for all devices of a process: `blocks` by offset, and `whole` ones.

    Those of `manifests` likewise.
    """

    blocks: dict[str, dict[int, bytes]] = field(default_factory=dict)
    whole: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)

    def join(self, sha256: str) -> bool:
        """Put the blocks together; False, and all of them forgotten, where that does not make the artifact."""
        if sha256 not in self.whole:
            blocks = self.blocks.pop(sha256, {})
            joined = b"".join(blocks[offset] for offset in sorted(blocks))
            if hashlib.sha256(joined).hexdigest() != sha256:
                return False
            self.whole[sha256] = joined
        return True


@dataclass(slots=True)
class Durable:
    """The stand-in for slots and spool. `parts` are the offsets of the blocks that arrived, whose bytes are in `pool`;
    a whole artifact is but name and size, a manifest but a name."""

    spool_limit: int = 1000
    record: Record = field(default_factory=Record)
    artifacts: dict[str, int] = field(default_factory=dict)
    parts: dict[str, set[int]] = field(default_factory=dict)
    manifests: set[str] = field(default_factory=set)
    windows: deque[tuple[str, Window]] = field(default_factory=deque)
    dropped: dict[str, int] = field(default_factory=dict)
    pool: Pool = field(default_factory=Pool)

    def manifest(self, sha256: str) -> bytes | None:
        return self.pool.manifests[sha256] if sha256 in self.manifests else None

    def keep_manifest(self, sha256: str, body: bytes) -> bytes:
        """Returns what all devices share."""
        self.manifests.add(sha256)
        return self.pool.manifests.setdefault(sha256, body)

    def missing(self, manifest: Manifest) -> frozenset[int]:
        """The blocks of an artifact that are not here, where it is not whole."""
        part = self.parts.get(manifest.sha256, set())
        return frozenset(block for block in range(manifest.total) if block * manifest.block_bytes not in part)

    def store(self, sha256: str, offset_bytes: int, data: bytes) -> None:
        self.parts.setdefault(sha256, set()).add(offset_bytes)
        if sha256 not in self.pool.whole:
            self.pool.blocks.setdefault(sha256, {})[offset_bytes] = data

    def finish(self, assignment: Assignment) -> bool:
        """Put the blocks together; False, and all of them forgotten, where the whole is not what was signed."""
        self.parts.pop(assignment.sha256, None)
        if not self.pool.join(assignment.sha256):
            return False
        self.artifacts[assignment.sha256] = assignment.size_bytes
        return True

    def collect(self, keep: frozenset[str]) -> None:
        self.artifacts = {sha256: size for sha256, size in self.artifacts.items() if sha256 in keep}
        self.parts = {sha256: part for sha256, part in self.parts.items() if sha256 in keep}
        self.manifests &= keep

    def spool(self, boot: str, window: Window) -> None:
        self.windows.append((boot, window))
        while len(self.windows) > self.spool_limit:
            lost, _ = self.windows.popleft()
            self.dropped[lost] = self.dropped.get(lost, 0) + 1

    def batch(self, limit: int) -> tuple[str, list[Window]] | None:
        """The oldest windows, all of one boot."""
        if not self.windows:
            return None
        boot = self.windows[0][0]
        return boot, [window for each, window in self.windows if each == boot][:limit]

    def free(self, boot: str, seq: int) -> None:
        self.windows = deque(each for each in self.windows if each[0] != boot or each[1].seq > seq)

    def forget(self) -> None:
        self.windows.clear()
        self.dropped.clear()
