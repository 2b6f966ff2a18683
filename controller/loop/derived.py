"""What follows from what is written, kept as things move: how many members of a running rollout stand where, whom a new
variant of a model concerns, and by which facts a device was fitted last.

A turn that could not be written leaves it ahead of what is true. Then what that turn touched is derived again, and
nothing else: in a large fleet all of it would take seconds, for one message that cannot be kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from controller.core.muster import Muster
from controller.core.nouns.member import Member
from controller.core.nouns.rollout import RolloutState
from controller.loop.ledger import Ledger
from controller.loop.look import Facts


class Derived:
    """`moved` are the rollouts that may have something to do. What is `touched` is remembered until it is `settled`."""

    def __init__(self) -> None:
        self.musters, self.moved = dict[str, Muster](), set[str]()
        self.fitted = dict[str, Facts]()
        self._model_of, self._of_model = dict[str, str](), defaultdict[str, dict[str, None]](dict)
        self._touched, self._turned = dict[str, None](), set[str]()

    def anew(self, ledger: Ledger) -> None:
        """All of it, from what the ledger says."""
        self.musters = musters(ledger)
        self.moved = set(self.musters)
        for each in (self.fitted, self._model_of, self._of_model):
            each.clear()
        self.settled()

    def again(self, ledger: Ledger) -> list[str]:
        """What was touched since all was `settled`; the devices of it are to be looked at again."""
        self._count_again(ledger)
        for device in self._touched:
            self.fitted.pop(device, None)
            self.goes_by(device, None)
            self.leave(device)
            if (member := ledger.member(device)) is not None:
                self.count(member)
        self.moved = set(self.musters)
        return [*self._touched]

    def _count_again(self, ledger: Ledger) -> None:
        for name in self._turned:
            self.musters.pop(name, None)
            rollout = ledger.get_rollout(name)
            if rollout is not None and rollout.state is RolloutState.RUNNING:
                self.musters[name] = Muster(each for each in ledger.members() if each.rollout == name)

    def settled(self) -> None:
        """What was touched so far is as it is written."""
        self._touched.clear()
        self._turned.clear()

    # --- as things move ----------------------------------------------------------------------------------------------

    def touch(self, devices: Iterable[str]) -> None:
        """About these something is decided now."""
        self._touched.update(dict.fromkeys(devices))

    def count(self, member: Member) -> None:
        self._touched[member.device] = None
        muster = self.musters.get(member.rollout)
        if muster is not None and muster.put(member):
            self.moved.add(member.rollout)

    def leave(self, device: str, *, but: str | None = None) -> None:
        """It is a member of no running rollout any more, or of this one alone."""
        for name, muster in self.musters.items():
            if name != but and muster.drop(device):
                self.moved.add(name)

    def goes_by(self, device: str, model: str | None) -> None:
        """What becomes of it hangs on the variants of this model."""
        before = self._model_of.get(device)
        if before == model:
            return
        if before is not None:
            del self._of_model[before][device], self._model_of[device]
        if model is not None:
            self._of_model[model][device], self._model_of[device] = None, model

    def going_by(self, model: str) -> Iterable[str]:
        """The devices that a new variant of it concerns."""
        return self._of_model.get(model, ())

    def began(self, rollout: str) -> None:
        self._turned.add(rollout)
        self.musters.setdefault(rollout, Muster())
        self.moved.add(rollout)

    def ended(self, rollout: str) -> None:
        self._turned.add(rollout)
        self.musters.pop(rollout, None)


def musters(ledger: Ledger) -> dict[str, Muster]:
    """Those of the running rollouts, counted from their members."""
    found = {each.id: Muster() for each in ledger.rollouts(RolloutState.RUNNING)}
    for each in ledger.members():
        if each.rollout in found:
            found[each.rollout].put(each)
    return found
