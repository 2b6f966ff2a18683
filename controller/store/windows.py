"""Telemetry windows, in whichever part they are. Each is kept once: `marks` tell what came before."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import delete, select

from agent.wire.messages import Window
from controller.core.nouns.window import StoredWindow
from controller.store.desired import newest_desired
from controller.store.marks import MarkRows
from controller.store.steps import StepRows
from controller.store.tables import devices
from controller.store.telemetry.chain import WindowRow, at_ids, before_in_legacy, last_row, newest_first, oldest_after
from controller.store.telemetry.part import HEAD, Part

log = logging.getLogger("hedgerow.telemetry")

_AT_ONCE = 500
_LOOK_BACK = 100  # windows of a device, for those of what it was last told to run


class WindowRows(MarkRows, StepRows):
    def put_windows(self, new: Sequence[StoredWindow]) -> None:
        """Add them, in this order; that none of them came before is for whoever calls to know."""
        if new:
            self._telemetry.put(new)

    def add_windows(self, device: str, boot: str, received_unix_s: float, new: Iterable[Window]) -> None:
        """The same of one device and boot."""
        self.put_windows([StoredWindow(device, boot, received_unix_s, each) for each in new])

    def recent_windows(
        self, device: str, limit: int, since_unix_s: float | None = None, until_unix_s: float | None = None
    ) -> list[StoredWindow]:
        """The `limit` windows that came last, oldest first; only those received from `since_unix_s` on, and before
        `until_unix_s`."""
        found = list[StoredWindow]()
        for each in self._newest_first(device, min(limit, _AT_ONCE)):
            if len(found) == limit or (since_unix_s is not None and each.received_unix_s < since_unix_s):
                break
            if until_unix_s is None or each.received_unix_s < until_unix_s:
                found.append(each)
        return found[::-1]

    def newest_windows(self, limit: int, of: Container[str] | None = None) -> list[StoredWindow]:
        """Of these devices, or of every registered one, the `limit` windows that came last of what it was last told
        to run, since it said that it runs, without what was history by then; oldest first."""
        told = self._told_to_run()
        wanted = {device: (sha256, since or 0.0) for device, sha256, since in told if of is None or device in of}
        at = {device: row_id for device, row_id in self._telemetry.newest_ids().items() if device in wanted}
        found = dict[str, list[StoredWindow]]()
        for _ in range(_LOOK_BACK):
            rows, at = at_ids(self._telemetry, at), {}
            for device, row in rows.items():
                sha256, since_unix_s = wanted[device]
                stored, its = self._stored(row), found.setdefault(device, [])
                if stored.received_unix_s < since_unix_s:
                    continue
                if stored.window.sha256 == sha256 and not stored.history:
                    its.append(stored)
                if len(its) < limit and (before := self._before(row)) is not None:
                    at[device] = before
        return [each for of_device in found.values() for each in of_device[::-1]]

    def latest_windows(self, among: Iterable[str] | None = None) -> dict[str, StoredWindow]:
        """The window that came last of these devices, or of every registered one that sent any, by device id."""
        newest, named = self._telemetry.newest_ids(), self._registered() if among is None else among
        ids = {each: newest[each] for each in named if each in newest}
        return {device: self._stored(row) for device, row in at_ids(self._telemetry, ids).items()}

    def windows_after(self, device: str, after_id: int, most: int) -> list[tuple[int, StoredWindow]]:
        """The first ones of a device that came after this row, each with its own; oldest first."""
        return [(row["id"], self._stored(row)) for row in oldest_after(self._telemetry, device, after_id, most)]

    def newest_window_unix_s(self) -> float | None:
        """When the window that came last of all was received."""
        rows = (last_row(self._telemetry, part) for part in self._telemetry.parts[::-1])
        return next((self._stored(row).received_unix_s for row in rows if row is not None), None)

    def last_received_unix_s(self, part: Part) -> float | None:
        """When the last window of a part was."""
        row = last_row(self._telemetry, part)
        return None if row is None else self._stored(row).received_unix_s

    def part_bytes(self, part: Part) -> int:
        return self._telemetry.telemetry.kept.size_bytes(self._connection, part)

    def forget_windows(self, part: Part, most: int) -> bool:
        """Drop the oldest part; whether some of it is left. An earlier release's is a table, and goes so many rows at
        a time."""
        if part.is_legacy:
            row = part.table.c
            oldest = select(row.id).order_by(row.id).limit(most)
            if self._connection.execute(delete(part.table).where(row.id.in_(oldest))).rowcount == most:
                return True
        self._telemetry.drop(part)
        self.forget_clock_steps(self._telemetry.end_of(part))
        log.info("event=forgotten part=%s", part.name)
        return False

    def _told_to_run(self) -> Iterator[tuple[str, str, float | None]]:
        newest = newest_desired()
        for row in self._connection.execute(select(newest.c.device, newest.c.sha256, newest.c.finished_unix_s)):
            yield row[0], row[1], row[2]

    def _registered(self) -> Sequence[str]:
        return self._connection.execute(select(devices.c.id)).scalars().all()

    def _before(self, row: WindowRow) -> int | None:
        """The row of the same device before this one."""
        prev: int | None = row["prev"]
        return before_in_legacy(self._telemetry, row["device"], row["id"]) if prev is None else prev

    def _newest_first(self, device: str, at_once: int) -> Iterator[StoredWindow]:
        return (self._stored(row) for row in newest_first(self._telemetry, device, at_once=at_once))

    def _stored(self, row: WindowRow) -> StoredWindow:
        known = self.corrected(row)
        head = {name: known[name] for name in HEAD if known[name] is not None}
        return StoredWindow(window=msgspec.convert(known, Window), **head)
