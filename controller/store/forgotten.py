"""Devices that were forgotten: what is left of them, and taking away their rows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select

from controller.core.nouns.forgotten import Forgotten
from controller.store.rows import Rows, to_row
from controller.store.tables import desired, devices, events, forgotten, incidents, members, owners, placements

_OF_A_DEVICE = (
    events.c.device, placements.c.device, desired.c.device, incidents.c.device, owners.c.device, members.c.device,
    devices.c.id,
)  # fmt: skip
"""Rows that others refer to come last. Windows and what they were rolled up to age out by themselves."""


class ForgottenRows(Rows):
    def forget_devices(self, ids: Iterable[str]) -> None:
        """Take away all that was stored of these, but for their telemetry."""
        chosen = sorted(ids)
        for column in _OF_A_DEVICE if chosen else ():
            self._connection.execute(delete(column.table).where(column.in_(chosen)))

    def put_forgotten(self, changed: Iterable[Forgotten]) -> None:
        self._put_all(forgotten, [to_row(each) for each in changed])

    def forgotten(self) -> list[Forgotten]:
        return self._all(Forgotten, select(forgotten).order_by(forgotten.c.device))
