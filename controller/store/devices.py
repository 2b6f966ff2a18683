"""Devices, with what they declare, report and have taught the controller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, select, update

from agent.wire.errors import WireError
from agent.wire.profile import Profile, accepted_profile
from controller.core.nouns.device import Device
from controller.store.errors import StoreError
from controller.store.rows import Rows, from_row, to_row
from controller.store.tables import devices


class DeviceRows(Rows):
    def put_device(self, device: Device) -> None:
        """Add or replace."""
        self.put_devices([device])

    def put_devices(self, changed: Iterable[Device]) -> None:
        """When one was last heard of stays as it was."""
        self._put_all(devices, [to_row(each) for each in changed], keep=("last_seen_unix_s",))

    def saw_devices(self, seen: Mapping[str, float]) -> None:
        """Write down when these were last heard of, in Unix seconds by id, and nothing else."""
        if seen:
            query = update(devices).where(devices.c.id == bindparam("of")).values(last_seen_unix_s=bindparam("when"))
            self._connection.execute(query, [{"of": device, "when": when} for device, when in seen.items()])

    def get_device(self, device: str) -> Device | None:
        row = self._connection.execute(select(devices).where(devices.c.id == device)).mappings().one_or_none()
        return None if row is None else _device(row)

    def devices_among(self, ids: Sequence[str]) -> dict[str, Device]:
        """Those of these ids that there are."""
        query = select(devices).where(devices.c.id.in_(ids))
        return {row["id"]: _device(row) for row in self._connection.execute(query).mappings()}

    def devices(self) -> list[Device]:
        """All of them, by id."""
        return [_device(row) for row in self._connection.execute(select(devices).order_by(devices.c.id)).mappings()]


def _device(row: RowMapping) -> Device:
    """Its profile is kept as it was read when it came: that takes a thousand times longer than to read the row."""
    fields: dict[str, Any] = dict(row)
    if fields["profile"] is None:
        fields["profile"] = to_row(_read_profile(fields["id"], fields["profile_text"]))
    return from_row(Device, fields)


def _read_profile(device: str, text: str) -> Profile:
    try:
        return accepted_profile(text)
    except WireError as error:
        raise StoreError(f"device {device}: its stored profile cannot be read: {error}") from None
