"""All times in the database at once: the newest of them, and moving them when the clock is corrected."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table, case, func, select, update

from controller.store.tables import clock_steps, devices, members, metadata, rollups, windows
from controller.store.windows import WindowRows

_STAMPS: list[Column[Any]] = [
    column
    for table in metadata.sorted_tables
    for column in table.c
    if column.name.endswith("unix_s") and table not in (windows, clock_steps, rollups)
]


class StampRows(WindowRows):
    def newest_unix_s(self) -> float:
        """The newest stamp that the controller's clock has put anywhere; 0.0 in a new database."""
        put = [column for column in _STAMPS if column is not members.c.due_unix_s]  # that one is yet to come
        stamps = [self._connection.execute(_newest(column)).scalar() for column in put]
        stamps.append(self.newest_window_unix_s())
        return max((float(stamp) for stamp in stamps if stamp is not None), default=0.0)

    def restamp(self, since_unix_s: float, step_s: float) -> None:
        """Move each stamp from `since_unix_s` on by `step_s`; the clock makes the same step.

        What has happened since then is as old as before, and what happened earlier stays earlier. No duration may be
        measured from so long ago. A step back would leave older stamps behind the moved ones: they count as from the
        very first moment of those. What merely came in one after the other (windows, events) keeps its older stamps.
        Windows are too many to be moved: how the clock was corrected is kept beside them.
        """
        self.add_clock_step(since_unix_s, step_s)
        for column in _STAMPS:
            moved = case((column >= since_unix_s, column + step_s), else_=since_unix_s + step_s)
            first = since_unix_s if _is_log(column.table) else min(since_unix_s, since_unix_s + step_s)
            self._connection.execute(update(column.table).where(column >= first).values({column.name: moved}))
        self._restamp_calibrations(step_s)

    def _restamp_calibrations(self, step_s: float) -> None:
        """All of them, however old: the wait of a figure that was learned again and again grows past every other."""
        for device, calibration in self._connection.execute(select(devices.c.id, devices.c.calibration)).all():
            learned = {figure: _moved(entry, step_s) for figure, entry in calibration.get("learned", {}).items()}
            if learned:
                values = {"calibration": {**calibration, "learned": learned}}
                self._connection.execute(update(devices).where(devices.c.id == device).values(values))


def _moved(entry: dict[str, Any], step_s: float) -> dict[str, Any]:
    stamps = {name: stamp + step_s for name, stamp in entry.items() if name.endswith("unix_s") and stamp is not None}
    return {**entry, **stamps}


def _newest(column: Column[Any]) -> Any:
    """Of a log, which grows without end, only its last row is looked at."""
    if _is_log(column.table):
        return select(column).order_by(column.table.c.id.desc()).limit(1)
    return select(func.max(column))


def _is_log(table: Table) -> bool:
    """Rows that are only ever added, counted up."""
    return table.name in ("events", "dead_letters")
