"""What is written down now and then, as nothing hangs on it: when devices were last heard of, and since when the
controller's own link is up."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from controller.loop.changes import Change
from controller.loop.clock import Clock
from controller.loop.fleet import Fleet
from controller.loop.linked import Linked
from controller.store.store import Store
from controller.store.tx import Tx

log = logging.getLogger("hedgerow.heard")

_LINKED = "linked"  # as which single fact the database has since when the link is up
_REMEMBER_S = 20.0  # at most, between two times that this is written down
_SEEN_S = 2.0  # by how much the database may be behind in when devices were last heard of
_TOLD = 500  # devices in one change, where it is only that they were heard of: nobody is sent more at once


class Heard:
    """`linked` is of the controller's own link. `tell` hears what a commit has changed."""

    def __init__(self, store: Store, clock: Clock, tell: Callable[[Change], None]) -> None:
        self._store, self._clock, self._tell = store, clock, tell
        self._seen_s, self._linked_unix_s = -math.inf, 0.0
        self.linked = Linked()

    def remember(self, tx: Tx) -> None:
        """What the last run wrote down."""
        self.linked = Linked.remembered(tx.get_meta(_LINKED))

    def write_now_and_then(self, fleet: Fleet) -> None:
        now_s = self._clock.steady_s()
        if now_s - self._seen_s >= _SEEN_S:
            self._seen_s = now_s
            self.write(fleet)

    def write(self, fleet: Fleet) -> None:
        """Since when our link is up also where nobody is heard, as deadlines wait for the silent.

        Where it fails now it is written later. Who watches is told of it then, too, and of those whose presence has
        changed.
        """
        now_unix_s = self._clock.now()
        memory, moved = self.linked.memory(now_unix_s), [*(fleet.seen | fleet.contacts.moved)]
        if not moved and (memory is None or now_unix_s - self._linked_unix_s < _REMEMBER_S):
            return
        try:
            told = [moved[at : at + _TOLD] for at in range(0, len(moved), _TOLD)]
            with self._store.begin() as tx:
                tx.saw_devices(fleet.seen)
                tx.number_commit(fleet.commit + len(told))
                if memory is not None:
                    tx.put_meta(_LINKED, memory)
            self._linked_unix_s = now_unix_s
            for each in told:
                fleet.commit += 1
                self._tell(Change(fleet.commit, (*each,)))
            fleet.seen.clear()
            fleet.contacts.moved.clear()
        except SQLAlchemyError as error:
            log.error("event=database_error reason=%r", str(error))
