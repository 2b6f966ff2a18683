"""Rollouts as a turn leaves them."""

from __future__ import annotations

from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.policy import Policy
from controller.loop.fleet import Fleet
from controller.loop.ledger.book import Book
from controller.loop.staged import Staged


class RolloutBook(Book):
    def __init__(self, fleet: Fleet, policy: Policy, now_s: float) -> None:
        super().__init__(fleet, policy, now_s)
        self._rollouts = Staged(fleet.rollouts)

    def get_rollout(self, rollout: str) -> Rollout | None:
        return self._rollouts.get(rollout)

    def rollouts(self, *states: RolloutState) -> list[Rollout]:
        """Those in one of `states`, or all; newest first."""
        found = [each for each in self._rollouts.values() if not states or each.state in states]
        return sorted(found, key=lambda each: each.number, reverse=True)

    def put_rollout(self, rollout: Rollout) -> None:
        known = self._rollouts.get(rollout.id)
        self._rollouts.put(rollout.id, rollout)
        if known is None or known.state is not rollout.state:
            self.rollouts_moved.add(rollout.id)
