"""The newest window of each device and boot: what is not above it came before.

Marks are written now and then, with the number of the row up to which they are complete; those of the rows after it
are found in the rows themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import delete, select

from controller.store.meta import MetaRows
from controller.store.tables import marks
from controller.store.telemetry.chain import rows_after

Mark = tuple[str, int]
"""A boot, and the seq of its newest window."""

BOOTS = 8
"""So many of a device are remembered: what an earlier one sent may come late, or again."""

_UPTO = "marks_upto"


class MarkRows(MetaRows):
    def marks(self) -> dict[str, tuple[Mark, ...]]:
        """Of every device that ever sent windows; the boot that sent last is last."""
        of_device = defaultdict[str, dict[str, int]](dict)
        for device, boot, seq, _ in self._told():
            of_device[device].pop(boot, None)
            of_device[device][boot] = seq
        return {device: tuple(boots.items())[-BOOTS:] for device, boots in of_device.items()}

    def find_newest(self) -> None:
        """For the start: where the windows of each device end, and where all do."""
        telemetry = self._telemetry.telemetry
        telemetry.next_id = self._telemetry.next_id = telemetry.last_id() + 1
        for device, _, _, row_id in self._written():
            telemetry.newest[device] = row_id
        for device, boot, seq, row_id in rows_after(self._telemetry, self._upto_id()):
            telemetry.newest[device] = row_id
            telemetry.unflushed.put(device, boot, seq, row_id)

    def flush_marks(self, most: int) -> None:
        """Write down those that have moved, the first of them."""
        moved, upto_id = self._telemetry.telemetry.unflushed.oldest(most)
        if moved:
            rows = [{"device": m.device, "boot": m.boot, "seq": m.seq, "newest_id": m.newest_id} for m in moved]
            self._put_all(marks, rows)
            self.put_meta(_UPTO, str(self._telemetry.next_id - 1 if upto_id is None else upto_id))
            self._telemetry.flushed = moved

    def forget_boots(self, device: str) -> None:
        """All but the newest ones."""
        of_it = marks.c.device == device
        kept = select(marks.c.newest_id).where(of_it).order_by(marks.c.newest_id.desc()).offset(BOOTS - 1).limit(1)
        self._connection.execute(delete(marks).where(of_it, marks.c.newest_id < kept.scalar_subquery()))

    def _told(self) -> Iterator[tuple[str, str, int, int]]:
        """Device, boot, seq and row, as they were written down and then as the rows have them, oldest first."""
        yield from self._written()
        yield from rows_after(self._telemetry, self._upto_id())

    def _written(self) -> Iterator[tuple[str, str, int, int]]:
        known = select(marks.c.device, marks.c.boot, marks.c.seq, marks.c.newest_id).order_by(marks.c.newest_id)
        yield from map(tuple, self._connection.execute(known))

    def _upto_id(self) -> int:
        return int(self.get_meta(_UPTO) or 0)
