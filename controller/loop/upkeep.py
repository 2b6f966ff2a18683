"""What is done beside the loop's work, in short slices: windows are rolled up, and what is too old goes.

A round goes past every device: its windows are rolled up, and what it has of old events, incidents and assignments
goes. A part of the telemetry goes once a round that began after its last window has ended, so that all of it is rolled
up; a restart goes on with it. Nothing hangs on when this is done: what fails now is done later.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from itertools import islice

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from controller.core.nouns.incident import IncidentState
from controller.core.selector import Selector
from controller.loop.expiry import Expiry
from controller.loop.fleet import Fleet
from controller.loop.ledger import Ledger
from controller.loop.rollup import roll_up
from controller.loop.round import Round
from controller.store.store import Store
from controller.store.tx import Tx

log = logging.getLogger("hedgerow.upkeep")

_MARKS_S, _MARKS = 5.0, 500  # so long until all marks that moved are written down; so many in one turn
_ROUND_S, _VISITS_HZ = 600.0, 30.0  # how long a round takes, but no more visits a second
_TOGETHER = 5
_ROUND = "round"  # as which single fact the database has how far it is
_WINDOWS = 300  # of a device, in one turn
_SLICE_S = 0.02
_FAR_S, _DOUBT_S = 3600.0, 86_400.0
_REST, _BEHIND_REST = 10.0, 3.0  # so many times as long as it took until the next slice; where a round is behind


class Upkeep:
    def __init__(self, store: Store, expiry: Expiry, steady_s: Callable[[], float]) -> None:
        self._store, self._expiry, self._steady_s = store, expiry, steady_s
        self._marks_due_s = self._rest_until_s = 0.0
        self._owed, self._before_s = float(_TOGETHER), steady_s()  # at once, however soon the next restart is
        self._round, self._failed = Round(0, 0), set[str]()

    def remember(self, tx: Tx) -> None:
        """Go on with the round of the last run."""
        self._round = Round.remembered(tx.get_meta(_ROUND), self._store.telemetry.next_id)
        self._expiry.rolled_up_to(self._round.done_id)

    def turn(self, fleet: Fleet, ledger: Callable[[], Ledger], now_unix_s: float) -> list[str]:
        """One slice of it. Returns the devices of which something went that decisions look at."""
        began_s, moved = self._steady_s(), list[str]()
        if began_s < self._rest_until_s:
            return moved
        try:
            self._flush_marks(began_s)
            self._store.telemetry.index_in_background()
            if self._are_due(fleet):
                self._visit(fleet, began_s, now_unix_s)
            moved = self._expiry.turn(fleet, ledger, began_s, now_unix_s)
        except (SQLAlchemyError, OSError) as error:
            log.error("event=database_error reason=%r", str(error))
        except Exception:  # a fault of ours: nothing hangs on it, and the controller goes on
            log.exception("event=unforeseen")
        rest = _BEHIND_REST if self._owed >= _VISITS_HZ else _REST
        self._rest_until_s = began_s + (1.0 + rest) * (self._steady_s() - began_s)
        return moved

    def clock_stepped(self, step_s: float) -> None:
        """The host's clock was corrected. Where it went far ahead, that may be a mistake that is mended in a while:
        until then nothing goes for its age, as what went would not come back."""
        if step_s > _FAR_S:
            log.warning("event=nothing_expires for_s=%.0f reason='the clock went %.0f s ahead'", _DOUBT_S, step_s)
            self._expiry.rest(self._steady_s() + _DOUBT_S)

    def _flush_marks(self, now_s: float) -> None:
        """A start reads all rows whose marks were not written down."""
        waiting = len(self._store.telemetry.unflushed)
        if waiting and now_s >= self._marks_due_s:
            with self._store.begin() as tx:
                tx.flush_marks(_MARKS)
            if waiting <= _MARKS:
                self._marks_due_s = now_s + _MARKS_S

    def _are_due(self, fleet: Fleet) -> bool:
        """Whether the next devices of the round are to be visited: a few together, as a commit waits for the disk."""
        now_s, number = self._steady_s(), len(fleet.devices)
        self._owed += (now_s - self._before_s) * min(number / _ROUND_S, _VISITS_HZ)
        self._owed, self._before_s = min(self._owed, _VISITS_HZ), now_s
        return 0 < min(number, _TOGETHER) <= self._owed

    def _visit(self, fleet: Fleet, began_s: float, now_unix_s: float) -> None:
        visited, gone, name = 0, Counter[IncidentState](), ""
        names, going = self._next(fleet), self._round.going_on(self._store.telemetry.next_id)
        try:
            with self._store.begin() as tx:
                for name in names[: int(self._owed)]:
                    if self._steady_s() - began_s >= _SLICE_S or self._is_behind(tx, fleet, name):
                        break
                    gone += self._expiry.visit(tx, name, fleet.histories.get(name), began_s, now_unix_s)
                    visited, going = visited + 1, going.visited(name)
                if visited == len(names):
                    going = going.ended()
                tx.put_meta(_ROUND, going.memory())
        except (OperationalError, OSError):  # the database's trouble, and no device's
            raise
        except Exception:
            log.exception("event=not_rolled_up device=%s", name)
            self._failed.add(name)
            self._owed -= 1
            return
        fleet.census.incidents_go(gone)
        self._owed, self._round = self._owed - visited, going
        if visited == len(names):
            self._failed.clear()
            self._expiry.rolled_up_to(going.done_id)

    def _next(self, fleet: Fleet) -> list[str]:
        """Those whose turn it is, and the one after them, if any."""
        left = fleet.directory.matching(Selector(), after=self._round.after)
        return [*islice((each for each in left if each not in self._failed), int(self._owed) + 1)]

    def _is_behind(self, tx: Tx, fleet: Fleet, name: str) -> bool:
        """Roll up what it has; whether that may be more than one visit takes: then it is visited once more."""
        device = fleet.devices.get(name)
        return device is not None and roll_up(tx, device, _WINDOWS) == _WINDOWS
