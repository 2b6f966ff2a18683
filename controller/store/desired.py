"""Every assignment that was ever issued, by (device, epoch, seq); the highest is what the device should run."""

from __future__ import annotations

from sqlalchemy import func, select, tuple_, update

from controller.core.nouns.desired import Desired
from controller.store.rows import Rows, to_row
from controller.store.tables import desired

_NEWEST_FIRST = (desired.c.epoch.desc(), desired.c.seq.desc())


class DesiredRows(Rows):
    def put_desired(self, item: Desired) -> None:
        self._put(desired, to_row(item))

    def finish_desired(
        self, device: str, epoch: int, seq: int, *, result: str, reason: str, when_unix_s: float
    ) -> None:
        """Record how an assignment ended; one that was never issued is ignored, a device may report anything."""
        key = tuple_(desired.c.device, desired.c.epoch, desired.c.seq) == (device, epoch, seq)
        ended = {"result": result, "reason": reason, "finished_unix_s": when_unix_s}
        self._connection.execute(update(desired).where(key).values(ended))

    def latest_desired(self, device: str) -> Desired | None:
        query = select(desired).where(desired.c.device == device).order_by(*_NEWEST_FIRST).limit(1)
        return self._one(Desired, query)

    def latest_desired_all(self) -> dict[str, Desired]:
        """The newest of every device that ever had one, by device id."""
        rank = func.row_number().over(partition_by=desired.c.device, order_by=_NEWEST_FIRST).label("rank")
        ranked = select(desired, rank).subquery()
        return {item.device: item for item in self._all(Desired, select(ranked).where(ranked.c.rank == 1))}

    def history(self, device: str, limit: int = 50) -> list[Desired]:
        """The device's assignments, newest first."""
        query = select(desired).where(desired.c.device == device).order_by(*_NEWEST_FIRST).limit(limit)
        return self._all(Desired, query)
