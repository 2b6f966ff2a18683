"""What the fit says of devices, and their incidents, as a turn leaves them."""

from __future__ import annotations

from controller.core.history import History
from controller.core.nouns.incident import Incident
from controller.core.nouns.placement import Placement
from controller.core.policy import Policy
from controller.loop.fleet import Fleet
from controller.loop.ledger.book import Book
from controller.loop.staged import Staged
from controller.loop.wishes import Wishes
from controller.store.tx import Tx


class PlacementBook(Book):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._placements, self._histories = Staged(fleet.placements), Staged(fleet.histories)
        self._incidents, self._forgotten = dict[str, Incident](), set[str]()

    def placement(self, device: str, model: str) -> Placement | None:
        return self._placements.get((device, model))

    def put_placement(self, placement: Placement) -> None:
        self._placements.put((placement.device, placement.model), placement)
        self.woken.add(placement.device)
        self.jobs_moved = True

    def forget_placements(self, device: str) -> None:
        """What was decided for a device rests on figures that no longer hold: it is fitted anew."""
        for model in {*self._fleet.models, *(model for _, model in self._placements.new)}:
            if self._placements.get((device, model)) is not None:
                self._placements.drop((device, model))
        self._forgotten.add(device)
        self.woken.add(device)
        self.jobs_moved = True

    def forget_incidents(self, device: str) -> None:
        self._histories.drop(device)
        self._incidents = {name: each for name, each in self._incidents.items() if each.device != device}

    def wishes(self) -> Wishes:
        """The prunes that devices wait for by now."""
        after = self._fleet.wishes.copy()
        before = (self._fleet.placements.get(key) for key in self._placements.new)
        after.add(self._placements.written())
        after.remove(each for each in before if each is not None)
        return after

    def history(self, device: str) -> History:
        return self._histories.get(device) or History()

    def put_incident(self, incident: Incident) -> None:
        self._histories.put(incident.device, self.history(incident.device).with_(incident))
        self._incidents[incident.id] = incident
        self.woken.add(incident.device)

    def _write_placements(self, tx: Tx) -> None:
        for device in self._forgotten:
            tx.forget_placements(device)
        tx.put_placements(self._placements.written())
        tx.put_incidents([*self._incidents.values()])

    def _apply_placements(self) -> None:
        if self._placements.new:
            self._fleet.wishes = self.wishes()
        for incident in self._incidents.values():
            before = self._fleet.histories.get(incident.device, History()).get(incident.id)
            self._fleet.census.incident_moves(before, incident)
        self._placements.apply(self._fleet.placements)
        self._histories.apply(self._fleet.histories)
