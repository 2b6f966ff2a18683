"""Telemetry windows. Delivery is at least once, so adding one again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Dialect, RowMapping, Select, func, select
from sqlalchemy.orm import aliased

from agent.wire.messages import Window
from controller.core.nouns.window import StoredWindow
from controller.store.desired import newest_desired
from controller.store.rows import Rows, from_row, insert_into
from controller.store.tables import devices, windows

_FIELDS = tuple(field.name for field in msgspec.structs.fields(Window) if field.name != "closed_s")
_HEAD = ("device", "boot", "received_unix_s", "closed_unix_s", "history")
_COLUMNS = (*_HEAD, *_FIELDS)
_head = attrgetter(*_HEAD)
_values = attrgetter(*_FIELDS)


class WindowRows(Rows):
    def add_windows(self, device: str, boot: str, received_unix_s: float, new: Sequence[Window]) -> None:
        """Add those windows that are not there yet by (device, boot, seq)."""
        self.put_windows([StoredWindow(device, boot, received_unix_s, window) for window in new])

    def put_windows(self, new: Sequence[StoredWindow]) -> None:
        """The same of windows of any devices."""
        if not new:
            return
        dialect = self._connection.dialect
        rows = [(*_head(each), *_values(each.window)) for each in new]
        if dialect.name == "sqlite":
            self._connection.exec_driver_sql(_driver_insert(dialect), rows)
        else:
            columns = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
            self._connection.execute(insert_into(windows, dialect).on_conflict_do_nothing(), columns)

    def recent_windows(self, device: str, limit: int, since_unix_s: float | None = None) -> list[StoredWindow]:
        """The `limit` windows that came last, oldest first; with `since_unix_s` only those received from then on."""
        query = select(windows).where(windows.c.device == device).order_by(windows.c.id.desc()).limit(limit)
        if since_unix_s is not None:
            query = query.where(windows.c.received_unix_s >= since_unix_s)
        return self._windows(query)[::-1]

    def newest_windows(self, limit: int) -> list[StoredWindow]:
        """Of every registered device the `limit` windows that came last of what it was last told to run, since it said
        that it runs, without what was history by then; oldest first."""
        newest, row = newest_desired(), aliased(windows)
        its = select(row.c.id).where(row.c.device == newest.c.device, row.c.sha256 == newest.c.sha256)
        its = its.where(row.c.received_unix_s >= func.coalesce(newest.c.finished_unix_s, 0.0), row.c.history.is_(False))
        its = its.order_by(row.c.id.desc()).limit(limit).correlate(newest)
        return self._windows(select(windows).join(newest, windows.c.id.in_(its)).order_by(windows.c.id))

    def latest_windows(self, among: Sequence[str] | None = None) -> dict[str, StoredWindow]:
        """The window that came last of every registered device that sent any, or of these; by device id."""
        newest = select(func.max(windows.c.id)).where(windows.c.device == devices.c.id).scalar_subquery()
        asked = select(newest).select_from(devices)
        asked = asked if among is None else asked.where(devices.c.id.in_(among))
        query = select(windows).where(windows.c.id.in_(asked))
        return {stored.device: stored for stored in self._windows(query)}

    def _windows(self, query: Select[Any]) -> list[StoredWindow]:
        return [_stored(row) for row in self._connection.execute(query).mappings()]


@cache
def _driver_insert(dialect: Dialect) -> str:
    """The statement for tuples in the order of `_COLUMNS`: twice the rate of parameters by name."""
    statement = insert_into(windows, dialect).on_conflict_do_nothing()
    return str(statement.compile(dialect=dialect, column_keys=list(_COLUMNS)))


def _stored(row: RowMapping) -> StoredWindow:
    device, boot, received_unix_s, closed_unix_s, history = (row[name] for name in _HEAD)
    return StoredWindow(device, boot, received_unix_s, from_row(Window, row), closed_unix_s, history)
