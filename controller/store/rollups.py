"""Windows rolled up by device, hour and variant, and up to which row each device's are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, tuple_

from controller.core.nouns.rollup import Rollup
from controller.store.rows import Rows, to_row
from controller.store.tables import rolled_up, rollups


class RollupRows(Rows):
    def rolled_up_to(self, device: str) -> int:
        """The last row of a device that is rolled up."""
        query = select(rolled_up.c.upto_id).where(rolled_up.c.device == device)
        return int(self._connection.execute(query).scalar() or 0)

    def put_rollups(self, device: str, upto_id: int, changed: Iterable[Rollup]) -> None:
        """These hours of a device, with all of its windows up to this row in them."""
        self._put_all(rollups, [to_row(each) for each in changed])
        self._put(rolled_up, {"device": device, "upto_id": upto_id})

    def rollups_of(self, device: str, hours_unix_s: Iterable[int]) -> list[Rollup]:
        """Of these hours."""
        its = (rollups.c.device == device) & rollups.c.hour_unix_s.in_(list(hours_unix_s))
        return self._all(Rollup, select(rollups).where(its))

    def rollups_between(
        self, device: str, since_unix_s: float | None, until_unix_s: float | None, limit: int
    ) -> list[Rollup]:
        """The newest ones of hours that began in between, oldest first."""
        hour = rollups.c.hour_unix_s
        its = rollups.c.device == device
        its = its if since_unix_s is None else its & (hour >= since_unix_s)
        its = its if until_unix_s is None else its & (hour < until_unix_s)
        query = select(rollups).where(its).order_by(hour.desc(), rollups.c.sha256.desc()).limit(limit)
        return self._all(Rollup, query)[::-1]

    def forget_rollups(self, before_unix_s: float, most: int) -> int:
        """Of hours that began before; so many at a time. How many went."""
        key = tuple_(rollups.c.device, rollups.c.hour_unix_s, rollups.c.sha256)
        old = select(rollups.c.device, rollups.c.hour_unix_s, rollups.c.sha256)
        old = old.where(rollups.c.hour_unix_s < before_unix_s).limit(most)
        return self._connection.execute(delete(rollups).where(key.in_(old))).rowcount
