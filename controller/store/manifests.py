"""The manifest of each artifact that was ever assigned; it stays where the artifact's bytes are lost and made again."""

from __future__ import annotations

from sqlalchemy import func, select

from controller.core.nouns.manifest import KeptManifest, Named
from controller.store.rows import Rows, to_row
from controller.store.tables import manifests


class ManifestRows(Rows):
    def put_manifest(self, manifest: KeptManifest) -> None:
        self._put(manifests, to_row(manifest))

    def get_manifest(self, digest: str) -> KeptManifest | None:
        return self._one(KeptManifest, select(manifests).where(manifests.c.digest == digest))

    def manifest_names(self) -> dict[str, Named]:
        """What an assignment says of the manifest of each artifact, by the artifact's sha256."""
        row = manifests.c
        query = select(row.sha256, row.digest, func.length(row.body)).order_by(row.digest.desc())
        return {sha256: Named(digest, size_bytes) for sha256, digest, size_bytes in self._connection.execute(query)}
