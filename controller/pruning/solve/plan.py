"""Choosing widths: the least important channels go first, per cost they save, until the prediction is inside the caps.

A greedy multiple-choice knapsack, its costs recomputed after every step because they are products of two widths. To
rank by importance per hardware cost is HALP's idea (Shen et al., NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from controller.core.types import Caps, Constraint
from controller.pruning.cost.predict import Costs
from controller.pruning.cost.work import Work, WorkModel

Importance = Mapping[str, Sequence[float]]
"""Root layer's name to the loss expected from losing each kept channel, in channel order."""

STEP = 8
_SMALLEST_SHARE = 0.25
_ANY_PROGRESS = 1e-3


def smallest(channels: int) -> int:
    """The narrowest that a group of `channels` in the dense model may become."""
    return STEP if channels >= 2 * STEP else max(1, round(channels * _SMALLEST_SHARE))


def narrower(width: int, channels: int) -> int | None:
    """The next width down: multiples of eight where the group has sixteen channels or more. None at the smallest."""
    if width <= smallest(channels):
        return None
    return (width - 1) // STEP * STEP if channels >= 2 * STEP else width - 1


def choose_widths(
    start: Mapping[str, int],
    dense: Mapping[str, int],
    importance: Importance,
    work: WorkModel,
    predict: Callable[[Work], Costs],
    caps: Caps,
) -> dict[str, int]:
    """Widths at most `start` whose predicted costs lie inside `caps`, or the smallest ones where none do."""
    widths = dict(start)
    ranked = {root: sorted(values) for root, values in importance.items()}
    while True:
        now = work.work(widths)
        over = {which for which, share in predict(now).shares(caps).items() if share > 1}
        if not over:
            return _refill(widths, start, ranked, lambda each: _fits(predict(work.work(each)), caps))
        choice = _cheapest_step(widths, dense, ranked, work, now, partial(_excess, predict, caps, frozenset(over)))
        if choice is None:
            return widths
        widths[choice[0]] = choice[1]


def _fits(costs: Costs, caps: Caps) -> bool:
    return all(share <= 1 for share in costs.shares(caps).values())


def _refill(
    widths: Mapping[str, int],
    start: Mapping[str, int],
    ranked: Mapping[str, list[float]],
    fits: Callable[[Mapping[str, int]], bool],
) -> dict[str, int]:
    """Give back what the last, too large step left room for: the most important step that fits, until none does."""
    filled = dict(widths)
    while True:
        wider = {root: min(start[root], width // STEP * STEP + STEP) for root, width in filled.items()}
        gains = {
            root: sum(ranked[root][len(ranked[root]) - to : len(ranked[root]) - filled[root]])
            for root, to in wider.items()
            if to > filled[root] and fits({**filled, root: to})
        }
        if not gains:
            return filled
        best = max(gains, key=lambda root: gains[root])
        filled[best] = wider[best]


def _excess(predict: Callable[[Work], Costs], caps: Caps, over: frozenset[Constraint], work: Work) -> float:
    return sum(share for which, share in predict(work).shares(caps).items() if which in over)


def _cheapest_step(
    widths: Mapping[str, int],
    dense: Mapping[str, int],
    ranked: Mapping[str, list[float]],
    work: WorkModel,
    now: Work,
    excess: Callable[[Work], float],
) -> tuple[str, int] | None:
    """The root and its next width that lose the least importance for the cost saved."""
    best, best_price, before = None, float("inf"), excess(now)
    for root, width in widths.items():
        to = narrower(width, dense[root])
        if to is None:
            continue
        after = work.work({**widths, root: to})
        # A cap on the widest layer may not move until two groups have: any work saved then breaks the tie.
        saved = max(before - excess(after), 0.0) + _ANY_PROGRESS * (1 - after.macs / max(now.macs, 1.0))
        lost = sum(ranked[root][len(ranked[root]) - width : len(ranked[root]) - to])
        price = lost / max(saved, 1e-12)
        if price < best_price:
            best, best_price = (root, to), price
    return best
