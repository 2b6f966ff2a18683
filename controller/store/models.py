"""Models, immutable by `name@version`."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from controller.core.nouns.model import Model
from controller.store.rows import Rows, to_row
from controller.store.tables import models


class ModelRows(Rows):
    def put_model(self, model: Model) -> None:
        self.put_models([model])

    def put_models(self, changed: Iterable[Model]) -> None:
        self._put_all(models, [{**to_row(each), "ref": each.ref} for each in changed])

    def get_model(self, ref: str) -> Model | None:
        return self._one(Model, select(models).where(models.c.ref == ref))

    def models(self) -> list[Model]:
        """All of them, the newest first."""
        return self._all(Model, select(models).order_by(models.c.added_unix_s.desc(), models.c.ref.desc()))
