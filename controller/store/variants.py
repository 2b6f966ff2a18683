"""The measured artifacts of each model. Their bytes are files, see `controller.store.artifacts`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select

from controller.core.nouns.variant import Variant
from controller.store.rows import Rows, to_row
from controller.store.tables import variants


class VariantRows(Rows):
    def put_variant(self, variant: Variant) -> None:
        self._put(variants, to_row(variant))

    def put_variants(self, changed: Iterable[Variant]) -> None:
        self._put_all(variants, [to_row(each) for each in changed])

    def drop_variant(self, sha256: str) -> None:
        """Of every model that has this artifact."""
        self._connection.execute(delete(variants).where(variants.c.sha256 == sha256))

    def get_variant(self, model: str, sha256: str) -> Variant | None:
        """Two models (versions with the same weights) may have the same artifact, each with a record of its own."""
        return self._one(Variant, select(variants).where(variants.c.sha256 == sha256, variants.c.model == model))

    def artifact_bytes(self, sha256: str) -> int | None:
        """How long the artifact is, whichever model it belongs to."""
        size: int | None = self._connection.scalar(select(variants.c.size_bytes).where(variants.c.sha256 == sha256))
        return size

    def variants_among(self, models: Sequence[str], artifacts: Sequence[str]) -> list[Variant]:
        """Of these models those with one of these artifacts, and the dense ones."""
        asked = variants.c.model.in_(models) & (variants.c.sha256.in_(artifacts) | variants.c.dense)
        return self._all(Variant, select(variants).where(asked))

    def variants(self, model: str | None = None) -> list[Variant]:
        """Of `model` (a ref) or of all, in the order they were made."""
        query = select(variants).order_by(variants.c.created_unix_s, variants.c.sha256)
        return self._all(Variant, query if model is None else query.where(variants.c.model == model))
