"""All that one turn writes, by noun; and its end, where it is written and applied."""

from __future__ import annotations

from controller.core.policy import Policy
from controller.loop.fleet import Fleet
from controller.loop.ledger.devices import DeviceBook
from controller.loop.ledger.members import MemberBook
from controller.loop.ledger.models import ModelBook
from controller.loop.ledger.placements import PlacementBook
from controller.loop.ledger.rollouts import RolloutBook
from controller.store.store import Store
from controller.store.tx import Tx


class Ledger(DeviceBook, PlacementBook, ModelBook, RolloutBook, MemberBook):
    """Of one turn, over the `fleet`; of no use after its `commit`."""

    def __init__(self, fleet: Fleet, store: Store, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._store = store

    def commit(self, *, even_if_empty: bool = False) -> None:
        """Write it all in one transaction, and apply it. Raises what the database does; then nothing was written."""
        if even_if_empty or not self._is_empty():
            with self._store.begin() as tx:
                self._write(tx)
            self._apply()
        self._apply_contacts()
        self._fleet.sent_unix_s.update(self.sent_unix_s)

    def _is_empty(self) -> bool:
        staged = (self._devices, self._desired, self._placements, self._histories, self._rollouts, self._owners,
                  self._members, self._models, self._variants, self._jobs, self._manifests,
                  self._forgotten_devices)  # fmt: skip
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
        for note in self._notes:
            note(tx)

    def _apply(self) -> None:
        self._apply_devices()
        self._apply_windows()
        self._apply_placements()
        self._apply_models()
        self._rollouts.apply(self._fleet.rollouts)
        self._apply_members()
