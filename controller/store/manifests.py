"""The manifest of each artifact that was ever assigned; it stays where the artifact's bytes are lost and made again."""

from __future__ import annotations

from sqlalchemy import func, select

from controller.core.nouns.manifest import KeptManifest
from controller.store.rows import Rows, to_row
from controller.store.tables import manifests


class ManifestRows(Rows):
    def put_manifest(self, manifest: KeptManifest) -> None:
        self._put(manifests, to_row(manifest))

    def get_manifest(self, digest: str) -> KeptManifest | None:
        return self._one(KeptManifest, select(manifests).where(manifests.c.digest == digest))

    def manifest_bytes(self, digest: str) -> int | None:
        """How long the manifest is."""
        size: int | None = self._connection.scalar(
            select(func.length(manifests.c.body)).where(manifests.c.digest == digest)
        )
        return size

    def manifest_of(self, sha256: str) -> tuple[str, int] | None:
        """The digest and the length of an artifact's manifest."""
        query = select(manifests.c.digest, func.length(manifests.c.body)).where(manifests.c.sha256 == sha256)
        found = self._connection.execute(query.order_by(manifests.c.digest).limit(1)).one_or_none()
        return None if found is None else (found[0], found[1])
