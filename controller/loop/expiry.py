"""What is too old goes, a little at a time; what the fleet in memory has, as a restart would load it, never does."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable

from controller.core.history import History
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.job import UNFINISHED
from controller.core.retention import Retention, old_bulks
from controller.loop import ring
from controller.loop.changes import Change
from controller.loop.fleet import Fleet
from controller.loop.ledger import Ledger
from controller.store.store import Store
from controller.store.telemetry.part import Part
from controller.store.tx import Tx

log = logging.getLogger("hedgerow.expiry")

_LOOK_S = 60.0  # between two looks at what may go
_AGAIN_S = 0.2  # while there is more of it
_ROWS = 1000
_PARTS = 8  # so many at least share the bytes of all windows, so that one may go before all are full


class Expiry:
    """`rolled_up_to` tells that all windows before this row are rolled up. `tell` hears what a commit has changed."""

    def __init__(
        self, store: Store, retention: Retention, windows_seen: int, tell: Callable[[Change | None], None]
    ) -> None:
        self._store, self._keep, self._windows_seen, self._tell = store, retention, windows_seen, tell
        self._rolled_id, self._due_s, self._rests_until_s = 0, -math.inf, -math.inf

    def rest(self, until_s: float) -> None:
        """Let nothing go before."""
        self._rests_until_s = until_s

    def rolled_up_to(self, row_id: int) -> None:
        self._rolled_id = row_id

    def visit(
        self, tx: Tx, device: str, history: History | None, now_s: float, now_unix_s: float
    ) -> Counter[IncidentState]:
        """What a device has of old facts; how many incidents of each state went."""
        if now_s < self._rests_until_s:
            return Counter()
        known = history or History()
        kept = [each.id for each in (known.open, *known.past) if each is not None]
        tx.forget_boots(device)
        tx.forget_events(device, now_unix_s - self._keep.events_s)
        tx.forget_assignments(device, now_unix_s - self._keep.assignments_s)
        return tx.forget_incidents(device, now_unix_s - self._keep.incidents_s, kept)

    def turn(self, fleet: Fleet, ledger: Callable[[], Ledger], now_s: float, now_unix_s: float) -> list[str]:
        """What all have together. Returns the devices whose newest windows may have gone with it."""
        if now_s < max(self._rests_until_s, self._due_s):
            return []
        self._forget_jobs(fleet, ledger(), now_unix_s)
        bulks_left = self._forget_bulk(fleet, ledger(), now_unix_s)
        telemetry = self._store.telemetry
        with self._store.begin() as tx:
            tx.forget_dead_letters(now_unix_s - self._keep.dead_letters_s)
            more = tx.forget_rollups(now_unix_s - self._keep.rollups_s, _ROWS) == _ROWS or bulks_left
            sizes = {part.name: tx.part_bytes(part) for part in telemetry.parts}
            if telemetry.parts and sizes[telemetry.parts[-1].name] > self._keep.bytes / _PARTS:
                telemetry.is_full = True  # the next window begins another
            part = self._too_old(tx, sum(sizes.values()), now_unix_s)
            ended_unix_s = None if part is None else tx.last_received_unix_s(part)
            if part is not None:
                more = (left := tx.forget_windows(part, _ROWS)) or more
        self._due_s = now_s + (_AGAIN_S if more or part is not None else _LOOK_S)
        return self._follow(fleet, ended_unix_s) if part is not None and not left else []

    def _too_old(self, tx: Tx, size_bytes: int, now_unix_s: float) -> Part | None:
        """The oldest part, where it is no longer to be kept, and all rolled up. The newest one always stays."""
        parts = self._store.telemetry.parts
        if len(parts) < 2 or parts[1].first_id > self._rolled_id:
            return None
        ended_unix_s = tx.last_received_unix_s(parts[0])
        is_old = ended_unix_s is None or ended_unix_s < now_unix_s - self._keep.windows_s
        return parts[0] if is_old or size_bytes > self._keep.bytes else None

    def _forget_jobs(self, fleet: Fleet, ledger: Ledger, now_unix_s: float) -> None:
        """Not the newest of those that asked for the same: it is the answer."""
        answers = {(job.model, job.key): job.id for job in ledger.jobs()}
        before_unix_s = now_unix_s - self._keep.jobs_s
        ended = [job for job in fleet.jobs.values() if (job.finished_unix_s or math.inf) < before_unix_s]
        old = [job.id for job in ended if job.state not in UNFINISHED and answers[job.model, job.key] != job.id]
        for job in old[:_ROWS]:
            ledger.drop_job(job)
        self._tell(ledger.commit())

    def _forget_bulk(self, fleet: Fleet, ledger: Ledger, now_unix_s: float) -> bool:
        """The oldest that is old, with its failures before it. Whether there may be more."""
        old = old_bulks(fleet.bulks.values(), now_unix_s - self._keep.bulks_s)
        if not old:
            return False
        with self._store.begin() as tx:
            if tx.forget_bulk_failures(old[0].id, _ROWS) == _ROWS:
                return True
        ledger.drop_bulk(old[0].id)
        self._tell(ledger.commit())
        return len(old) > 1

    def _follow(self, fleet: Fleet, ended_unix_s: float | None) -> list[str]:
        """Newest windows of devices that have been silent for so long are gone; the fleet has what a restart loads."""
        before_unix_s = math.inf if ended_unix_s is None else ended_unix_s
        gone = [device for device, each in fleet.windows.items() if ring.oldest_unix_s(each) <= before_unix_s]
        if gone:
            with self._store.read() as tx:
                left = ring.by_device(tx.newest_windows(self._windows_seen, gone))
            for device in gone:
                fleet.windows.pop(device)
            fleet.windows.update(left)
        return gone
