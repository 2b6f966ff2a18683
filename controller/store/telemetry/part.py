"""One part: the windows that were received on one day, or what an earlier release had of all days."""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass

import msgspec
from sqlalchemy import BigInteger, Column, MetaData, Table, literal_column
from sqlalchemy.sql import ColumnElement

from agent.wire.messages import Window
from controller.core.nouns.window import StoredWindow
from controller.store.tables import Counter, windows

DAY_S = 86_400.0
LEGACY = "before"
"""The name of the part that an earlier release filled: the table `windows`, with an index and without links."""

HEAD = tuple(each for each in StoredWindow.__struct_fields__ if each != "window")
FIGURES = tuple(each.name for each in msgspec.structs.fields(Window) if each.name in windows.columns)
COLUMNS = ("id", "prev", *HEAD, *FIGURES)
"""What a part is made with: all that a stored window says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`name` is the day in UTC, with a number where a day has more than one. `table` has the columns that it was made
    with, by whichever release. `first_id` is its first row's."""

    name: str
    table: Table
    first_id: int
    indexed: bool = False

    @property
    def day(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_legacy(self) -> bool:
        return self.name == LEGACY

    @property
    def is_of_this_release(self) -> bool:
        return {column.name for column in self.table.columns} == set(COLUMNS)

    def selected(self, *names: str) -> list[ColumnElement[object]]:
        """The columns of these names, all where none is named; what the part lacks is NULL."""
        return [self._column(name) for name in names or COLUMNS]

    def _column(self, name: str) -> ColumnElement[object]:
        known = self.table.columns.get(name)
        return literal_column("NULL").label(name) if known is None else known


def legacy(first_id: int) -> Part:
    return Part(name=LEGACY, table=windows, first_id=first_id, indexed=True)


def day_of(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(unix_s))


def table_of(name: str, columns: Container[str] = COLUMNS) -> Table:
    """The table of a part: the columns of `windows`, as far as the part has them, with the link to the one before."""
    has = [column for column in windows.columns if column.name in columns and column.name != "id"]
    return Table(
        name,
        MetaData(),
        Column("id", Counter, primary_key=True, autoincrement=False),
        *([Column("prev", BigInteger)] if "prev" in columns else []),
        *(Column(each.name, each.type, nullable=each.nullable, server_default=each.server_default) for each in has),
    )
