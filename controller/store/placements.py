"""What the fit last said of each device and model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select

from controller.core.nouns.placement import Placement
from controller.store.rows import Rows, to_row
from controller.store.tables import placements


class PlacementRows(Rows):
    def put_placement(self, placement: Placement) -> None:
        """One row a device and model: the newest decision replaces the one before."""
        self._put(placements, to_row(placement))

    def put_placements(self, changed: Iterable[Placement]) -> None:
        self._put_all(placements, [to_row(each) for each in changed])

    def placements(self, device: str | None = None, model: str | None = None) -> list[Placement]:
        """Of one device, of one model (a ref), of both, or all."""
        query = select(placements).order_by(placements.c.device, placements.c.decided_unix_s, placements.c.model)
        if device is not None:
            query = query.where(placements.c.device == device)
        if model is not None:
            query = query.where(placements.c.model == model)
        return self._all(Placement, query)

    def placements_among(self, ids: Sequence[str]) -> list[Placement]:
        """Of these devices, the oldest decision first."""
        query = select(placements).where(placements.c.device.in_(ids))
        return self._all(Placement, query.order_by(placements.c.decided_unix_s, placements.c.model))

    def forget_placements(self, device: str) -> None:
        """What was decided for a device rests on figures that no longer hold: it is fitted anew."""
        self._connection.execute(delete(placements).where(placements.c.device == device))
