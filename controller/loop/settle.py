"""Decide and perform until nothing is left to do: for the devices that are awake, then for rollouts, then for jobs.

A rollout or a job is judged once nobody is left of those who were woken for later: a device that failed may be about to
get a variant that was just made, and one that waits for a prune may be served by it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from controller.core.actions import Action, UpdateRollout
from controller.core.decide import decide
from controller.core.due import due
from controller.core.jobs import decide_jobs, next_retry_unix_s
from controller.core.membership import stand
from controller.core.nouns.device import DeviceState
from controller.core.nouns.member import Member, Standing
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.policy import Policy
from controller.core.waves import advance, room
from controller.loop.derived import Derived, musters
from controller.loop.ledger import Ledger
from controller.loop.look import Looker, facts_of, selector_of
from controller.loop.perform import Performer, Send
from controller.loop.watch import Watch

log = logging.getLogger("hedgerow.settle")

_ROUNDS = 50  # decisions settle in a handful; a rule that never settles is logged instead of spinning
_LET_GO = 500  # at once, so that no turn is long for a large wave


class Settler:
    """What it remembers was derived, not decided."""

    def __init__(self, performer: Performer, policy: Policy, watch: Watch) -> None:
        self._performer, self._policy, self._watch = performer, policy, watch
        self._derived = Derived()
        self._jobs_moved, self._jobs_due_unix_s = True, math.inf
        self._undone = False

    def forget(self, ledger: Ledger) -> None:
        """Derive all of it anew from what the ledger says, and look at everybody once."""
        self._derived.anew(ledger)
        self._watch.forget()
        self._watch.wake_later([each.id for each in ledger.devices()])
        self._jobs_moved, self._undone = True, False

    def undone(self) -> None:
        """What was decided in this turn was not written: nothing that was derived from it holds."""
        self._undone = True

    def _decide_again(self, ledger: Ledger) -> None:
        """About all that was decided in turns that were not written, before rollouts and jobs are judged."""
        touched = self._derived.again(ledger)
        self._watch.wake(touched)
        self._watch.wake_later(touched)
        self._jobs_moved, self._undone = True, False

    def settle(self, ledger: Ledger, now_unix_s: float, enough: Callable[[], bool]) -> list[Send]:
        """Until nothing is left to do, or it is `enough` for one turn; what is to be sent once it is committed."""
        if self._undone:
            self._decide_again(ledger)
        self._derived.settled()
        looker, sends = Looker(ledger, self._derived.fitted), list[Send]()
        self._watch.tick(now_unix_s)
        self._wake(ledger, looker)
        for _ in range(_ROUNDS):
            while (device := self._watch.take()) is not None:
                sends += self._look(ledger, looker, device, now_unix_s)
                self._wake_devices(ledger)
                if enough():
                    break
            self._wake(ledger, looker)
            moved = self._roll(ledger, now_unix_s)
            sends += self._work(ledger, now_unix_s)
            self._wake(ledger, looker)
            if enough() or not (moved or self._watch.busy or self._jobs_moved):
                return sends
        log.error("event=unsettled")
        return sends

    def overlooked(self, ledger: Ledger, now_unix_s: float, devices: Iterable[str]) -> list[str]:
        """Of these the ones about which there is something to do though nobody woke them: one is a fault of ours."""
        if self._undone:  # whom that concerns is looked at in the next turn
            return []
        looker, asleep = Looker(ledger, {}), (each for each in devices if not self._watch.is_awake(each))
        return [each for each in asleep if self._is_overlooked(looker, each, now_unix_s)]

    def _is_overlooked(self, looker: Looker, device: str, now_unix_s: float) -> bool:
        view = looker.view(device)
        if view is None:
            return False
        joins = looker.joining(device, now_unix_s) is not None
        return (
            joins or bool(decide(view, self._policy, now_unix_s)) or stand(view, self._policy, now_unix_s) is not None
        )

    def miscounted(self, ledger: Ledger) -> list[str]:
        """The rollouts whose counts are not those of their members; there must be none."""
        known, counted = ({name: muster.counts for name, muster in each.items() if len(muster)}
                          for each in (self._derived.musters, musters(ledger)))  # fmt: skip
        return [] if self._undone else [each for each in {*known, *counted} if known.get(each) != counted.get(each)]

    # --- devices -----------------------------------------------------------------------------------------------------

    def _look(self, ledger: Ledger, looker: Looker, device: str, now_unix_s: float) -> list[Send]:
        """The rollout that it belongs to; then its rules, until they have nothing more to do; then where it stands, and
        when to look again."""
        self._derived.touch([device])
        self._join(ledger, looker, device, now_unix_s)
        sends = list[Send]()
        view, rounds = looker.view(device), 0
        while view is not None and rounds < _ROUNDS and (actions := decide(view, self._policy, now_unix_s)):
            sends += self._perform(ledger, actions, now_unix_s)
            view, rounds = looker.view(device), rounds + 1
        if view is None:
            self._derived.fitted.pop(device, None)
            self._derived.goes_by(device, None)
            return sends
        if rounds == _ROUNDS:
            log.error("event=unsettled device=%s", device)
        ledger.woken.discard(device)
        if view.incident is None and view.device.state is DeviceState.ACCEPTED:
            self._derived.fitted[device] = facts_of(view)
        self._watch.at(device, due(view, self._policy, now_unix_s))
        self._derived.goes_by(device, None if view.catalog is None else view.catalog.model.ref)
        if (member := stand(view, self._policy, now_unix_s)) is not None:
            self._stand(ledger, member)
        return sends

    def _join(self, ledger: Ledger, looker: Looker, device: str, now_unix_s: float) -> None:
        if (joins := looker.joining(device, now_unix_s)) is not None:
            owner = joins.owner
            log.info("event=joined device=%s rollout=%s before=%s", device, owner.rollout, owner.before)
            ledger.join(owner, joins.member, joins.left)
            self._derived.leave(device, but=owner.rollout)
            self._derived.count(joins.member)
        elif ledger.owner(device) is None:
            self._derived.leave(device)

    def _stand(self, ledger: Ledger, member: Member) -> None:
        ledger.put_member(member)
        self._derived.count(member)
        if member.standing is Standing.FAILED:  # a rollout that has finished may let go of it for that
            self._watch.wake([member.device])

    def _perform(self, ledger: Ledger, actions: list[Action], now_unix_s: float) -> list[Send]:
        return [send for action in actions for send in self._performer.perform(ledger, action, now_unix_s)]

    def _wake(self, ledger: Ledger, looker: Looker) -> None:
        """Whom what was written concerns."""
        self._wake_devices(ledger)
        self._jobs_moved, ledger.jobs_moved = self._jobs_moved or ledger.jobs_moved, False
        if ledger.rollouts_moved:
            looker.rollouts_moved()
        for each in ledger.rollouts_moved:
            self._rollout_moved(ledger, each)
        for model in ledger.models:
            self._watch.wake_later(self._derived.going_by(model))
        ledger.rollouts_moved.clear()
        ledger.models.clear()

    def _rollout_moved(self, ledger: Ledger, name: str) -> None:
        """It started, and whom it matches may join it; or it ended, which concerns those that it owns."""
        rollout = ledger.get_rollout(name)
        if rollout is None:
            return
        if rollout.state is RolloutState.RUNNING:
            self._derived.began(name)
            self._watch.wake_later(ledger.selected(selector_of(rollout)))
        else:
            self._derived.ended(name)
            self._watch.wake_later(ledger.owned_by(name))

    def _wake_devices(self, ledger: Ledger) -> None:
        self._watch.wake(ledger.woken)
        ledger.woken.clear()

    # --- rollouts and jobs -------------------------------------------------------------------------------------------

    def _roll(self, ledger: Ledger, now_unix_s: float) -> bool:
        """Let go whom the waves admit by now; and move those on that may. Whether anything moved."""
        moved, self._derived.moved = self._derived.moved, set()
        running = [each for each in ledger.rollouts(RolloutState.RUNNING) if each.id in moved]
        return sum(self._roll_on(ledger, each, now_unix_s) for each in running) > 0

    def _roll_on(self, ledger: Ledger, rollout: Rollout, now_unix_s: float) -> bool:
        muster = self._derived.musters[rollout.id]
        going = muster.next(min(room(rollout, muster), _LET_GO))
        self._derived.touch(going)
        for member in filter(None, map(ledger.member, going)):
            self._stand(ledger, replace(member, wave=rollout.wave))
        self._watch.wake(going)
        if self._watch.waiting_later:
            self._derived.moved.add(rollout.id)
            return bool(going)
        after = advance(rollout, muster, now_unix_s)
        if after is not None:
            self._derived.moved.add(rollout.id)
            self._performer.perform(ledger, UpdateRollout(after), now_unix_s)
        return bool(going) or after is not None

    def _work(self, ledger: Ledger, now_unix_s: float) -> list[Send]:
        """Start, stop and drop jobs, where any has moved, somebody waits for another one, or one may be tried again."""
        if self._watch.waiting_later or not (self._jobs_moved or now_unix_s >= self._jobs_due_unix_s):
            return []
        self._jobs_moved = False
        wishes, jobs = ledger.wishes(), ledger.jobs()
        actions = decide_jobs(jobs, wishes.all, wishes.needed, self._policy, now_unix_s)
        self._jobs_due_unix_s = next_retry_unix_s(jobs, self._policy, now_unix_s)
        return self._perform(ledger, actions, now_unix_s)
