"""Choosing widths and blocks under every budget at once: importance against cost, linear only a little at a time.

Costs are products of two widths, so one linear programme from the dense network to a quarter of it would be far off.
Each step shrinks by a tenth of the budget used most (NetAdapt, Yang et al., ECCV 2018) with a knapsack over importance
(HALP, Shen et al., NeurIPS 2022), prices the result exactly and starts again from there. A step may widen what an
earlier one narrowed too much, and may drop a residual block where that loses less than narrowing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.price import Marginals, Price
from controller.pruning.cost.sizes import Floats
from controller.pruning.solve.knapsack import Item, closest, solve
from controller.pruning.solve.options import offered

_SHRINK, _TRUST, _FAR, _LEAST_TRUST = 0.9, 0.3, 0.8, 0.04
_STEPS, _MARGIN = 100, 0.002
_ROUNDING = 1e-9


class Pricing(Protocol):
    """What structures cost: exactly, and what changes when one group alone takes another width."""

    def price(self, widths: Mapping[str, int], dropped: Collection[str]) -> Price: ...
    def marginals(
        self, widths: Mapping[str, int], dropped: Collection[str], options: Mapping[str, Sequence[int]]
    ) -> Marginals: ...


class Worth(Protocol):
    """What narrowing a group (0 at its dense width, rising as it narrows) and dropping a block are expected to lose."""

    @property
    def blocks(self) -> Mapping[str, float]: ...
    def loss(self, root: str, width: int) -> float: ...


@dataclass(frozen=True, slots=True)
class Space:
    """What may be chosen: each root's widths, and which roots vanish with each block."""

    grain: Mapping[str, int]
    floor: Mapping[str, int]
    inside: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Every root's width (of no meaning where its block is dropped) and the dropped blocks, sorted."""

    widths: Mapping[str, int]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The choice with its exact price and its loss. Where it does not fit, nothing does."""

    widths: Mapping[str, int]
    dropped: tuple[str, ...]
    price: Price
    fits: bool
    loss: float


def choose(start: Choice, pricing: Pricing, worth: Worth, budgets: Budgets, space: Space) -> Chosen:
    """The choice of least loss found, at most `start`, whose exact price keeps every budget.

    Where not even the floors without any block do, that smallest choice.
    """
    search = _Search(start, pricing, worth, budgets, space)
    best = search.smallest()
    if search.use(best) <= 1:
        # Dropping on the way is short-sighted, and so is not dropping: what the first saves, the end may not need.
        settled = [search.settled(start, dropping=True), search.settled(start), best]
        best = min((each for each in settled if each is not None), key=search.loss)
        best = search.filled(search.toggled(best))
    return Chosen(best.widths, best.dropped, search.price(best), search.use(best) <= 1, search.loss(best))


@dataclass(frozen=True, slots=True)
class _Search:
    start: Choice
    pricing: Pricing
    worth: Worth
    budgets: Budgets
    space: Space
    _known: dict[tuple[object, ...], Price] = field(default_factory=dict)

    def smallest(self) -> Choice:
        floors = {root: min(width, self.space.floor[root]) for root, width in self.start.widths.items()}
        return Choice(floors, tuple(sorted({*self.start.dropped, *self.worth.blocks})))

    def live(self, choice: Choice) -> list[str]:
        """The roots that are left, in the start's order."""
        gone = {root for block in choice.dropped for root in self.space.inside.get(block, ())}
        return [root for root in choice.widths if root not in gone]

    def loss(self, choice: Choice) -> float:
        return self._dropping(choice) + sum(self.worth.loss(root, choice.widths[root]) for root in self.live(choice))

    def _dropping(self, choice: Choice) -> float:
        return sum(self.worth.blocks[block] for block in choice.dropped if block not in self.start.dropped)

    def price(self, choice: Choice) -> Price:
        key = (*choice.dropped, *(choice.widths[root] for root in self.live(choice)))
        if key not in self._known:
            self._known[key] = self.pricing.price(choice.widths, choice.dropped)
        return self._known[key]

    def shares(self, choice: Choice) -> Floats:
        price = self.price(choice)
        return self.budgets.shares(price.latency_s, price.weights_bytes, price.live_bytes)

    def use(self, choice: Choice) -> float:
        return float(self.shares(choice).max(initial=0.0))

    def changes(self, choice: Choice, options: Mapping[str, Sequence[int]]) -> dict[str, Floats]:
        """For each root `[options, budgets]`: what its options alone would change in shares of the budgets."""
        changes = self.pricing.marginals(choice.widths, choice.dropped, options)
        return {
            root: self.budgets.shares(change.latency_s, change.weights_bytes, change.live_bytes)
            for root, change in changes.items()
        }

    def stepped(self, choice: Choice, limit: float, trust: float) -> tuple[float, Choice]:
        """The widths of least loss within `trust` that, were costs linear, use at most `limit` of every budget; where
        none do, those that come closest; and by how much these would use more."""
        options = {root: self._offered(root, choice.widths[root], trust) for root in self.live(choice)}
        changes, room = self.changes(choice, options), limit - self.shares(choice)
        losses = {root: np.array([self.worth.loss(root, width) for width in each]) for root, each in options.items()}
        items = [Item(-losses[root], changes[root]) for root in options]
        picks = solve(items, room)
        over = 0.0
        if picks is None:
            picks = closest(items, room)
            used = sum((item.costs[pick] for item, pick in zip(items, picks, strict=True)), -room)
            over = max(0.0, float(used.max(initial=0.0)))
        taken = {root: options[root][pick] for root, pick in zip(options, picks, strict=True)}
        return over, replace(choice, widths={**choice.widths, **taken})

    def _offered(self, root: str, width: int, trust: float) -> tuple[int, ...]:
        return offered(width, self.start.widths[root], self.space.floor[root], self.space.grain[root], trust)

    def settled(self, choice: Choice, dropping: bool = False) -> Choice | None:
        """`choice` shrunk until it fits and improved for as long as steps help. None where it cannot be made to fit."""
        tight = 0
        for _ in range(_STEPS):
            use = self.use(choice)
            if use <= 1:
                return self._improved(choice)
            tight += use * _SHRINK < 1
            limit = max(1 - _MARGIN * max(0, tight - 1), use * _SHRINK)
            over, after = self._cheapest(choice, limit) if dropping else self.stepped(choice, limit, _TRUST)
            if after == choice and over > 0:
                return None
            choice = after
        return None

    def _cheapest(self, choice: Choice, limit: float) -> tuple[float, Choice]:
        """The best step with the blocks that there are, or with one of them dropped."""
        over, best = self.stepped(choice, limit, _TRUST)
        for other in self._toggles(choice, restoring=False):
            if over > 0 or self._dropping(other) < self.loss(best):
                over, best = min(
                    (over, best), self.stepped(other, limit, _TRUST), key=lambda each: (each[0], self.loss(each[1]))
                )
        return over, best

    def _toggles(self, choice: Choice, restoring: bool = True) -> Iterator[Choice]:
        """`choice` with one more block dropped, or with one put back."""
        for block in self.worth.blocks:
            if block not in choice.dropped:
                yield replace(choice, dropped=tuple(sorted((*choice.dropped, block))))
            elif restoring and block not in self.start.dropped:
                yield replace(choice, dropped=tuple(each for each in choice.dropped if each != block))

    def _improved(self, choice: Choice) -> Choice:
        """Steps at the full budgets, ever shorter, for as long as one loses less and still fits."""
        trust = _FAR
        while trust > _LEAST_TRUST:
            after = self._repaired(self.stepped(choice, 1.0, trust)[1])
            if after is not None and self.loss(after) < self.loss(choice) * (1 - _ROUNDING):
                choice = after
            else:
                trust /= 2
        return choice

    def _repaired(self, choice: Choice) -> Choice | None:
        for number in range(3):
            if self.use(choice) <= 1:
                return choice
            choice = self.stepped(choice, 1 - _MARGIN * number, _TRUST)[1]
        return None

    def toggled(self, best: Choice) -> Choice:
        """Drop or put back one block at a time, the best first, for as long as that loses less."""
        while True:
            others = [other for other in self._toggles(best) if self._promises(other, self.loss(best))]
            settled = [each for each in map(self.settled, others) if each is not None]
            after = min(settled, key=self.loss, default=best)
            if self.loss(after) >= self.loss(best) * (1 - _ROUNDING):
                return best
            best = after

    def _promises(self, choice: Choice, loss: float) -> bool:
        """Whether less than `loss` is in sight; far steps flatter, as a product shrinks less than linearly."""
        if self._dropping(choice) >= loss:
            return False
        over, after = self.stepped(choice, 1.0, _FAR)
        return over <= 0 and self.loss(after) < loss

    def filled(self, choice: Choice) -> Choice:
        """What the grain of the last step left over, given back: the widening of most worth that fits, until none."""
        while True:
            for other in self._widenings(choice):
                if self.use(other) <= 1:
                    choice = other
                    break
            else:
                return choice

    def _widenings(self, choice: Choice) -> Iterator[Choice]:
        """One group a step wider where that seems to fit, those of most gain first."""
        wider = {root: self._offered(root, choice.widths[root], 0.0)[-1:] for root in self.live(choice)}
        room = 1 - self.shares(choice) + _ROUNDING
        fitting = [root for root, change in self.changes(choice, wider).items() if (change[0] <= room).all()]
        gains = {
            root: self.worth.loss(root, choice.widths[root]) - self.worth.loss(root, *wider[root]) for root in fitting
        }
        for root in sorted(fitting, key=lambda root: -gains[root]):
            if gains[root] > 0:
                yield replace(choice, widths={**choice.widths, root: wider[root][0]})
