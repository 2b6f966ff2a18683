"""The bytes of blocks, of artifacts and of manifests."""

from __future__ import annotations

from agent.wire import blocks
from controller.loop.push import Block
from controller.store.artifacts import Artifacts
from controller.store.store import Store


class Blobs:
    """Holds the artifact that was read last: its blocks go out one after the other."""

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self._store, self._artifacts = store, artifacts
        self._held: tuple[str, list[bytes]] = "", []

    def read(self, block: Block) -> bytes:
        """Raises `ArtifactError` where neither artifact nor manifest of that digest is to be had."""
        if block.sha256 != self._held[0]:
            manifest = self._manifest(block.sha256)
            if manifest is not None:
                return blocks.cut(manifest)[block.index]
            self._held = block.sha256, blocks.cut(self._artifacts.read(block.sha256))
        return self._held[1][block.index]

    def _manifest(self, digest: str) -> bytes | None:
        with self._store.read() as tx:
            found = tx.get_manifest(digest)
        return None if found is None else found.body
