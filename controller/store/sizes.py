"""What takes how much: each part of the telemetry, and each table."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table, func, select, text

from controller.store.tables import metadata
from controller.store.windows import WindowRows

_SQLITE = """
SELECT its.tbl_name, sum(page.pgsize) FROM dbstat('main', 1) AS page
JOIN sqlite_master AS its ON its.name = page.name GROUP BY its.tbl_name
"""
_FREE = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
_SERVER = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname = ANY(:names)"


@dataclass(frozen=True, slots=True)
class Size:
    """`rows` is None of what has none."""

    what: str
    rows: int | None
    size_bytes: int


class SizeRows(WindowRows):
    def sizes(self) -> list[Size]:
        """Windows by the day on which they were received, oldest first; then tables, the largest first. Room that a
        file of SQLite has and does not use now is `free`."""
        tables = [table for table in metadata.sorted_tables if table.name != "windows"]
        bytes_of = self._bytes_of([table.name for table in tables])
        found = [Size(f"{table.name}", self._rows(table), bytes_of.get(table.name, 0)) for table in tables]
        found.sort(key=lambda each: (-each.size_bytes, each.what))
        if self._connection.dialect.name == "sqlite":
            found.append(Size("free", None, int(self._connection.execute(text(_FREE)).scalar() or 0)))
        return [*self._of_parts(), *found]

    def _of_parts(self) -> list[Size]:
        """Rows have numbers without gaps."""
        session = self._telemetry
        return [
            Size(f"windows {part.name}", session.end_of(part) - part.first_id, self.part_bytes(part))
            for part in session.parts
        ]

    def _rows(self, table: Table) -> int:
        return int(self._connection.execute(select(func.count()).select_from(table)).scalar() or 0)

    def _bytes_of(self, names: list[str]) -> dict[str, int]:
        if self._connection.dialect.name == "sqlite":
            found = self._connection.execute(text(_SQLITE))
        else:
            found = self._connection.execute(text(_SERVER), {"names": names})
        return {name: int(size_bytes) for name, size_bytes in found}
