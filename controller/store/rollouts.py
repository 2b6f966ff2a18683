"""Rollouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from controller.core.nouns.rollout import Rollout, RolloutState
from controller.store.rows import Rows, to_row
from controller.store.tables import rollouts


class RolloutRows(Rows):
    def put_rollout(self, rollout: Rollout) -> None:
        self._put(rollouts, to_row(rollout))

    def put_rollouts(self, changed: Iterable[Rollout]) -> None:
        self._put_all(rollouts, [to_row(each) for each in changed])

    def get_rollout(self, rollout: str) -> Rollout | None:
        return self._one(Rollout, select(rollouts).where(rollouts.c.id == rollout))

    def rollouts_among(self, ids: Sequence[str]) -> dict[str, Rollout]:
        """Those of these ids that there are."""
        return {each.id: each for each in self._all(Rollout, select(rollouts).where(rollouts.c.id.in_(ids)))}

    def rollouts(self, *states: RolloutState) -> list[Rollout]:
        """Those in one of `states`, or all; newest first."""
        query = select(rollouts).order_by(func.length(rollouts.c.id).desc(), rollouts.c.id.desc())  # as their numbers
        return self._all(Rollout, query.where(rollouts.c.state.in_(states)) if states else query)
