"""Single facts about the controller itself, by name: its epoch, for one."""

from __future__ import annotations

from sqlalchemy import select

from controller.store.rows import Rows
from controller.store.tables import meta

_COMMIT = "commit"


class MetaRows(Rows):
    def get_meta(self, key: str) -> str | None:
        value: str | None = self._connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
        return value

    def commit_number(self) -> int:
        """Of the newest commit of the loop; 0 before the first."""
        return int(self.get_meta(_COMMIT) or 0)

    def number_commit(self, number: int) -> None:
        """What this transaction writes is commit `number`."""
        self.put_meta(_COMMIT, str(number))

    def put_meta(self, key: str, value: str) -> None:
        self._put(meta, {"key": key, "value": value})
