"""Every assignment that was ever issued, by (device, epoch, seq); the highest is what the device should run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Subquery, bindparam, delete, func, select, update
from sqlalchemy.orm import aliased

from controller.core.nouns.desired import Desired
from controller.store.rows import Rows, to_row
from controller.store.tables import desired

_NEWEST_FIRST = (desired.c.epoch.desc(), desired.c.seq.desc())


class DesiredRows(Rows):
    def put_desired(self, item: Desired) -> None:
        self._put(desired, to_row(item))

    def add_desired(self, issued: Iterable[Desired]) -> None:
        self._put_all(desired, [to_row(each) for each in issued])

    def finish_desired(self, ended: Iterable[Desired]) -> None:
        """Write down how these ended; what was signed stays as it was issued."""
        rows = [
            {"of": each.device, "at": each.epoch, "number": each.seq, "result": each.result, "reason": each.reason,
             "finished_unix_s": each.finished_unix_s}
            for each in ended
        ]  # fmt: skip
        if rows:
            row = desired.c
            key = (row.device == bindparam("of")) & (row.epoch == bindparam("at")) & (row.seq == bindparam("number"))
            changed: dict[str, Any] = {name: bindparam(name) for name in ("result", "reason", "finished_unix_s")}
            self._connection.execute(update(desired).where(key).values(changed), rows)

    def latest_desired(self, device: str) -> Desired | None:
        query = select(desired).where(desired.c.device == device).order_by(*_NEWEST_FIRST).limit(1)
        return self._one(Desired, query)

    def latest_desired_all(self) -> dict[str, Desired]:
        """The newest of every device that ever had one, by device id."""
        return {item.device: item for item in self._all(Desired, select(newest_desired()))}

    def latest_desired_among(self, ids: Sequence[str]) -> dict[str, Desired]:
        """The newest of each of these devices that ever had one."""
        return {item.device: item for item in self._all(Desired, select(newest_desired(ids)))}

    def forget_assignments(self, device: str, before_unix_s: float) -> None:
        """Of a device those that were issued before, but for the newest."""
        row, newest = desired.c, aliased(desired)
        above = (newest.c.epoch > row.epoch) | ((newest.c.epoch == row.epoch) & (newest.c.seq > row.seq))
        overtaken = select(newest.c.seq).where(newest.c.device == row.device, above).exists()
        self._connection.execute(
            delete(desired).where(row.device == device, row.issued_unix_s < before_unix_s, overtaken)
        )

    def history(self, device: str, limit: int = 50) -> list[Desired]:
        """The device's assignments, newest first."""
        query = select(desired).where(desired.c.device == device).order_by(*_NEWEST_FIRST).limit(limit)
        return self._all(Desired, query)


def newest_desired(among: Sequence[str] | None = None) -> Subquery:
    """The newest assignment of each device, or of each `among` these."""
    rank = func.row_number().over(partition_by=desired.c.device, order_by=_NEWEST_FIRST).label("rank")
    asked = select(desired, rank)
    ranked = (asked if among is None else asked.where(desired.c.device.in_(among))).subquery()
    return select(ranked).where(ranked.c.rank == 1).subquery()
