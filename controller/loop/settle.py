"""Decide and perform until nothing is left to do: for the devices that are awake, then for rollouts, then for jobs.

A rollout or a job is judged once nobody is left of those who were woken for later: a device that failed may be about to
get a variant that was just made, and one that waits for a prune may be served by it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable

from controller.core.actions import Action, UpdateRollout
from controller.core.decide import decide
from controller.core.due import due
from controller.core.jobs import decide_jobs, next_retry_unix_s
from controller.core.muster import Muster
from controller.core.nouns.device import DeviceState
from controller.core.nouns.rollout import LIVE, Rollout, RolloutState
from controller.core.policy import Policy
from controller.core.standing import standing
from controller.core.view import DeviceView
from controller.core.waves import admitted, advance
from controller.loop.ledger import Ledger
from controller.loop.look import Facts, Looker, facts_of
from controller.loop.perform import Performer, Send
from controller.loop.watch import Watch

log = logging.getLogger("hedgerow.settle")

_ROUNDS = 50  # decisions settle in a handful; a rule that never settles is logged instead of spinning


class Settler:
    """It remembers who is a member of which rollout and where he stands: what was derived, not what was decided."""

    def __init__(self, performer: Performer, policy: Policy, watch: Watch) -> None:
        self._performer, self._policy, self._watch = performer, policy, watch
        self._musters = dict[str, Muster]()
        self._member_of, self._fitted = dict[str, str](), dict[str, Facts]()
        self._moved = set[str]()  # rollouts that may have something to do
        self._jobs_moved, self._jobs_due_unix_s = True, math.inf
        self._anew, self._filling = False, True

    def forget(self, ledger: Ledger) -> None:
        """Derive all of it anew from what the ledger says. Until everybody was looked at once no wave lets anybody go:
        who is gone already comes first."""
        self._musters = {}
        self._member_of.clear()
        self._fitted.clear()
        self._watch.forget()
        self._watch.wake_later([each.id for each in ledger.devices()])
        self._jobs_moved, self._anew, self._filling = True, False, True

    def undone(self) -> None:
        """What was decided in this turn was not written: nothing that was derived from it holds."""
        self._anew = True

    def settle(self, ledger: Ledger, now_unix_s: float, enough: Callable[[], bool]) -> list[Send]:
        """Until nothing is left to do, or it is `enough` for one turn; what is to be sent once it is committed."""
        if self._anew:
            self.forget(ledger)
        looker, sends = Looker(ledger, self._musters, self._fitted), list[Send]()
        self._watch.tick(now_unix_s)
        self._wake(ledger, looker)
        for _ in range(_ROUNDS):
            while (device := self._watch.take()) is not None:
                sends += self._look(ledger, looker, device, now_unix_s)
                self._wake_devices(ledger)
                if enough():
                    break
            self._wake(ledger, looker)
            self._filling = self._filling and self._watch.waiting_later
            moved = self._roll(ledger, now_unix_s)
            sends += self._work(ledger, now_unix_s)
            self._wake(ledger, looker)
            if enough() or not (moved or self._watch.busy or self._jobs_moved):
                return sends
        log.error("event=unsettled")
        return sends

    def overlooked(self, ledger: Ledger, now_unix_s: float, devices: Iterable[str]) -> list[str]:
        """Of these the ones about which there is something to do though nobody woke them: one is a fault of ours."""
        if self._anew:  # everybody is looked at in the next turn
            return []
        looker = Looker(ledger, self._musters, {})
        views = (looker.view(each) for each in devices if not self._watch.is_awake(each))
        return [each.device.id for each in views if each is not None and self._is_overlooked(each, now_unix_s)]

    def _is_overlooked(self, view: DeviceView, now_unix_s: float) -> bool:
        if decide(view, self._policy, now_unix_s):
            return True
        device, rollout = view.device.id, self._rollout_of(view)
        if rollout != self._member_of.get(device):
            return True
        stands = standing(view, self._policy, now_unix_s)
        return rollout is not None and device not in self._muster_of(rollout).at(stands)

    # --- devices -----------------------------------------------------------------------------------------------------

    def _look(self, ledger: Ledger, looker: Looker, device: str, now_unix_s: float) -> list[Send]:
        """Until the device's rules have nothing more to do; then where it stands, and when to look again."""
        sends = list[Send]()
        view, rounds = looker.view(device), 0
        while view is not None and rounds < _ROUNDS and (actions := decide(view, self._policy, now_unix_s)):
            sends += self._perform(ledger, actions, now_unix_s)
            view, rounds = looker.view(device), rounds + 1
        if view is None:
            self._leave(device)
            return sends
        if rounds == _ROUNDS:
            log.error("event=unsettled device=%s", device)
        ledger.woken.discard(device)
        if view.incident is None and view.device.state is DeviceState.ACCEPTED:
            self._fitted[device] = facts_of(view)
        self._watch.at(device, due(view, self._policy, now_unix_s))
        self._muster(view, now_unix_s)
        return sends

    def _leave(self, device: str) -> None:
        """It is forgotten, and a member of nothing any more."""
        self._fitted.pop(device, None)
        rollout = self._member_of.pop(device, None)
        if rollout in self._musters and self._musters[rollout].drop(device):
            self._moved.add(rollout)

    def _perform(self, ledger: Ledger, actions: list[Action], now_unix_s: float) -> list[Send]:
        return [send for action in actions for send in self._performer.perform(ledger, action, now_unix_s)]

    def _muster(self, view: DeviceView, now_unix_s: float) -> None:
        """Count where it stands in its rollout, and no longer in the one before."""
        device, rollout = view.device.id, self._rollout_of(view)
        before = self._member_of.get(device)
        if before is not None and before != rollout:
            del self._member_of[device]
            if before in self._musters and self._musters[before].drop(device):
                self._moved.add(before)
        if rollout is not None:
            self._member_of[device] = rollout
            if self._muster_of(rollout).put(device, standing(view, self._policy, now_unix_s)):
                self._moved.add(rollout)

    @staticmethod
    def _rollout_of(view: DeviceView) -> str | None:
        """The one that it is a member of."""
        accepted = view.device.state is DeviceState.ACCEPTED
        return view.rollout.id if view.rollout is not None and accepted else None

    def _muster_of(self, rollout: str) -> Muster:
        if rollout not in self._musters:
            self._musters[rollout] = Muster()
        return self._musters[rollout]

    def _wake(self, ledger: Ledger, looker: Looker) -> None:
        """Whom what was written concerns."""
        self._wake_devices(ledger)
        self._jobs_moved, ledger.jobs_moved = self._jobs_moved or ledger.jobs_moved, False
        if ledger.rollouts_moved:
            ledger.rollouts_moved = False
            looker.rollouts_moved()
            live = {each.id for each in ledger.rollouts(*LIVE)}
            self._musters = {name: muster for name, muster in self._musters.items() if name in live}
            looker.musters = self._musters
            self._watch.wake_later([each.id for each in ledger.devices()])
            self._moved |= live
        if ledger.models:
            for each in ledger.rollouts(*LIVE):
                if each.model in ledger.models and each.id in self._musters:
                    self._watch.wake_later(self._musters[each.id].members())
            ledger.models.clear()

    def _wake_devices(self, ledger: Ledger) -> None:
        self._watch.wake(ledger.woken)
        ledger.woken.clear()

    # --- rollouts and jobs -------------------------------------------------------------------------------------------

    def _roll(self, ledger: Ledger, now_unix_s: float) -> bool:
        """Let go whom the waves admit by now; and move those on that may. Whether anything moved."""
        moved, self._moved = self._moved, set()
        running = [each for each in ledger.rollouts(RolloutState.RUNNING) if each.id in moved]
        return sum(self._roll_on(ledger, each, now_unix_s) for each in running) > 0

    def _roll_on(self, ledger: Ledger, rollout: Rollout, now_unix_s: float) -> bool:
        if self._filling:
            self._moved.add(rollout.id)
            return False
        muster = self._muster_of(rollout.id)
        before, muster.let_go = muster.let_go, admitted(rollout, muster)
        if going := muster.let_go - before:
            self._watch.wake(sorted(going))
        if self._watch.waiting_later:
            self._moved.add(rollout.id)
            return bool(going)
        after = advance(rollout, muster, now_unix_s)
        if after is not None:
            self._moved.add(rollout.id)
            self._performer.perform(ledger, UpdateRollout(after), now_unix_s)
        return after is not None

    def _work(self, ledger: Ledger, now_unix_s: float) -> list[Send]:
        """Start, stop and drop jobs, where any has moved, somebody waits for another one, or one may be tried again."""
        if self._watch.waiting_later or not (self._jobs_moved or now_unix_s >= self._jobs_due_unix_s):
            return []
        self._jobs_moved = False
        wishes, jobs = ledger.wishes(), ledger.jobs()
        actions = decide_jobs(jobs, wishes.all, wishes.needed, self._policy, now_unix_s)
        self._jobs_due_unix_s = next_retry_unix_s(jobs, self._policy, now_unix_s)
        return self._perform(ledger, actions, now_unix_s)
