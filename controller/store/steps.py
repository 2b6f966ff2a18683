"""How the controller's clock was corrected since windows were stamped.

The rows of the telemetry stay as they were stamped: there are too many to move. Who reads one moves its stamps.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from controller.store.rows import Rows
from controller.store.tables import clock_steps, windows

STAMPS = tuple(name for name in windows.c.keys() if name.endswith("unix_s") and name != "wall_unix_s")  # noqa: SIM118
"""Of the controller's clock; `wall_unix_s` is of the device's own."""

Step = tuple[int, float, float]
"""Up to which row, since when, and by how much."""


class StepRows(Rows):
    _steps: list[Step] | None = None

    def add_clock_step(self, since_unix_s: float, step_s: float) -> None:
        """All windows there are so far, that were received since then, are as old as before."""
        upto_id = self._telemetry.next_id - 1
        row = {"upto_id": upto_id, "since_unix_s": since_unix_s, "step_s": step_s}
        self._connection.execute(insert(clock_steps).values(row))
        self._steps = None

    def forget_clock_steps(self, before_id: int) -> None:
        """Of which no row is left."""
        self._connection.execute(delete(clock_steps).where(clock_steps.c.upto_id < before_id))

    def corrected(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of the telemetry with its stamps by the clock of now."""
        if self._steps is None:
            found = self._connection.execute(select(clock_steps).order_by(clock_steps.c.id)).mappings()
            self._steps = [(each["upto_id"], each["since_unix_s"], each["step_s"]) for each in found]
        for upto_id, since_unix_s, step_s in self._steps:
            if row["id"] <= upto_id:
                row = row | {name: _moved(row[name], since_unix_s, step_s) for name in STAMPS}
        return row


def _moved(stamp: float | None, since_unix_s: float, step_s: float) -> float | None:
    return stamp if stamp is None or stamp < since_unix_s else stamp + step_s
