"""All that one turn writes, by noun; and its end, where it is written and applied."""

from __future__ import annotations

from controller.core.policy import Policy
from controller.loop.changes import Change
from controller.loop.fleet import Fleet
from controller.loop.ledger.bulks import BulkBook
from controller.loop.ledger.devices import DeviceBook
from controller.loop.ledger.members import MemberBook
from controller.loop.ledger.models import ModelBook
from controller.loop.ledger.placements import PlacementBook
from controller.loop.ledger.rollouts import RolloutBook
from controller.store.store import Store
from controller.store.tx import Tx


class Ledger(DeviceBook, PlacementBook, ModelBook, RolloutBook, MemberBook, BulkBook):
    """Of one turn, over the `fleet`; of no use after its `commit`."""

    def __init__(self, fleet: Fleet, store: Store, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._store = store

    def commit(self, *, even_if_empty: bool = False) -> Change | None:
        """Write it all in one transaction, and apply it. Raises what the database does; then nothing was written.

        Returns what it changed. None where that is nothing that anybody is told of at once: it needs no number then.
        """
        change = None
        if even_if_empty or not self._is_empty():
            with self._store.begin() as tx:
                self._write(tx)
                change = self._change(self._fleet.commit + 1)
                if change:
                    tx.number_commit(change.commit)
            self._apply()
            self._fleet.commit += bool(change)
        self._apply_contacts()
        self._fleet.sent_unix_s.update(self.sent_unix_s)
        return change or None

    def _is_empty(self) -> bool:
        staged = (self._devices, self._desired, self._placements, self._histories, self._rollouts, self._owners,
                  self._members, self._models, self._variants, self._jobs, self._manifests,
                  self._forgotten_devices, self._bulks)  # fmt: skip
        return not (any(each.new for each in staged) or self._arrived or self._forgotten or self._notes)

    def _write(self, tx: Tx) -> None:
        """What others name comes before these."""
        self._write_devices(tx)
        self._write_models(tx)
        tx.put_rollouts(self._rollouts.written())
        self._write_members(tx)
        self._write_placements(tx)
        self._write_assignments(tx)
        tx.put_windows(self._arrived)
        self._write_bulks(tx)
        for note in self._notes:
            note(tx)

    def _apply(self) -> None:
        self._apply_devices()
        self._apply_windows()
        self._apply_placements()
        self._apply_models()
        self._fleet.census.rollouts_move(self._fleet.rollouts, self._rollouts.new)
        self._rollouts.apply(self._fleet.rollouts)
        self._apply_members()
        self._bulks.apply(self._fleet.bulks)

    def _change(self, commit: int) -> Change:
        """A device of which nothing is new but windows, and when it was heard of, is told of later."""
        devices = dict.fromkeys([*(each.id for each in self._rewritten), *self._devices.dropped()])
        devices.update(dict.fromkeys(device for device, _ in self._placements.new))
        devices.update(dict.fromkeys([*self._desired.new, *self._histories.new]))
        others = (self._incidents, self._rollouts.new, self._jobs.new, self._bulks.new)
        return Change(commit, (*devices,), *((*each,) for each in others))
