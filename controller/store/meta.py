"""Single facts about the controller itself, by name: its epoch, for one."""

from __future__ import annotations

from sqlalchemy import select

from controller.store.rows import Rows
from controller.store.tables import meta


class MetaRows(Rows):
    def get_meta(self, key: str) -> str | None:
        value: str | None = self._connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
        return value

    def put_meta(self, key: str, value: str) -> None:
        self._put(meta, {"key": key, "value": value})
