"""A multiple-choice knapsack under several budgets at once: one option of every item, the most value that fits.

Lagrange multipliers price the budgets and bound the value (Fisher, Management Science 1981). Under those prices a
dynamic programme over the dearest budget chooses (Kellerer, Pferschy and Pisinger, Knapsack Problems, 2004, ch. 11);
what its rounding and the prices leave over, exchanging the options of one or two items uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.pruning.cost.sizes import Floats

Picks = NDArray[np.intp]
"""`[items]`: the number of the chosen option of each item."""

BINS = 1000
_TOLERANCE = 1e-9
_SUBGRADIENT_STEPS, _PATIENCE, _PROGRAMMES, _EXCHANGES = 80, 5, 3, 60
_GOOD_GAP = 2e-3


@dataclass(frozen=True, slots=True)
class Item:
    """Options to choose one of: `values` `[options]`, and `costs` `[options, budgets]`, which may be negative."""

    values: Floats
    costs: Floats


def solve(items: Sequence[Item], budgets: Floats) -> tuple[int, ...] | None:
    """The option of each item, every budget `[budgets]` kept to 1e-9 of the costs' size. None where nothing fits.

    With one budget, the value is at least the best that fits into `len(items) / BINS` less room (at most one bin is
    lost for each item), and None is proof. With more it is a heuristic, and None is proof where the cheapest options
    exceed a budget by themselves.
    """
    table = _table(items, np.asarray(budgets, float))
    if table is None:
        return None
    if table.costs.shape[2] == 0:
        return _ints(table.values.argmax(1))
    prices, bound = _prices(table)
    priced = table.patched((table.values - table.costs @ prices).argmax(1), prices)
    best = None if priced is None else _paired(table, priced, bound)
    if best is None or table.costs.shape[2] == 1 or bound - table.worth(best) > _GOOD_GAP * table.span:
        best = _programmed(table, prices, best)
    if best is None:
        least = _least_over(table.costs, np.ones(table.costs.shape[2]), np.isfinite(table.values))
        best = least if table.fits(least) else None
    return None if best is None else _ints(_paired(table, best, bound))


def closest(items: Sequence[Item], budgets: Floats) -> tuple[int, ...]:
    """The option of each item for which the budget that is exceeded most is exceeded least; values do not count.

    Excesses are compared as they are, so budgets should be in like units. It is a descent, not always the least.
    """
    if not items:
        return ()
    values, costs = _padded(items)
    return _ints(_least_over(costs, np.asarray(budgets, float), np.isfinite(values)))


@dataclass(frozen=True, slots=True)
class _Table:
    """`values` `[items, options]`, -inf where an option is none; `costs` `[items, options, budgets]`, at least 0 and
    in shares of the room above the cheapest options, so that every budget is 1."""

    values: Floats
    costs: Floats

    @property
    def span(self) -> float:
        """From the least value to the most."""
        least = np.where(np.isfinite(self.values), self.values, np.inf).min(1)
        return float((self.values.max(1) - least).sum())

    def worth(self, picks: Picks) -> float:
        return float(self.values[np.arange(len(picks)), picks].sum())

    def load(self, picks: Picks) -> Floats:
        return np.asarray(self.costs[np.arange(len(picks)), picks].sum(0))

    def fits(self, picks: Picks) -> bool:
        return bool((self.load(picks) <= 1).all() and np.isfinite(self.worth(picks)))

    def changes(self, picks: Picks, values: Floats) -> tuple[Floats, Floats]:
        """What each option would change in value `[items, options]` and load `[items, options, budgets]`."""
        rows = np.arange(len(picks))
        return values - values[rows, picks][:, None], self.costs - self.costs[rows, picks][:, None]

    def patched(self, picks: Picks, prices: Floats) -> Picks | None:
        """Exchange one option at a time: first until it fits, at the least loss per excess, then for the most gain."""
        net, picks = self.values - self.costs @ prices, picks.copy()
        for _ in range(_EXCHANGES):
            load = self.load(picks)
            if (load <= 1).all():
                return self._filled(picks)
            gain, change = self.changes(picks, net)
            saved = np.maximum(load - 1, 0).sum() - np.maximum(load + change - 1, 0).sum(2)
            useful = (saved > 1e-12) & np.isfinite(gain)
            if not useful.any():
                return None
            lost = np.maximum(-gain, 0.0) / np.where(useful, saved, 1.0)
            each = np.where(useful, lost - _TOLERANCE * self.span * saved, np.inf)
            picks = _with(picks, int(each.argmin()), each.shape[1])
        return None

    def _filled(self, picks: Picks) -> Picks:
        for _ in range(_EXCHANGES):
            gain, change = self.changes(picks, self.values)
            gain = np.where((self.load(picks) + change <= 1).all(2), gain, -np.inf)
            if gain.max() <= 0:
                break
            picks = _with(picks, int(gain.argmax()), gain.shape[1])
        return picks


def _ints(picks: Picks) -> tuple[int, ...]:
    return tuple(int(pick) for pick in picks)


def _with(picks: Picks, option: int, options: int) -> Picks:
    """`picks` with one item's option replaced; `option` numbers those of all items, `options` each."""
    changed = picks.copy()
    changed[option // options] = option % options
    return changed


def _padded(items: Sequence[Item]) -> tuple[Floats, Floats]:
    """`[items, options]` and `[items, options, budgets]`; where an item has fewer options, value -inf at most cost."""
    most = max(len(item.values) for item in items)
    values = np.full((len(items), most), -np.inf)
    costs = np.zeros((len(items), most, items[0].costs.shape[1]))
    for number, item in enumerate(items):
        values[number, : len(item.values)] = item.values
        costs[number] = item.costs.max(0)
        costs[number, : len(item.values)] = item.costs
    return values, costs


def _table(items: Sequence[Item], budgets: Floats) -> _Table | None:
    """The items without options that cannot fit and budgets that cannot bind. None where nothing can fit."""
    if not items:
        return _Table(np.zeros((0, 1)), np.zeros((0, 1, 0))) if (budgets >= 0).all() else None
    values, costs = _padded(items)
    slack = _TOLERANCE * np.abs(costs).max(1).sum(0) + np.finfo(float).tiny
    room = budgets - costs.min(1).sum(0)
    if (room < -slack).any():
        return None
    shares = np.minimum((costs - costs.min(1)[:, None]) / (np.maximum(room, 0.0) + slack), 2.0)
    values = np.where((shares > 1).any(2), -np.inf, values)
    if np.isneginf(values).all(1).any():
        return None
    binds = np.where(np.isfinite(values)[..., None], shares, 0.0).max(1).sum(0) > 1
    return _Table(values, shares[:, :, binds])


def _prices(table: _Table) -> tuple[Floats, float]:
    """The multipliers `[budgets]` of the least dual value found, and that value: a bound on what can be reached.

    Subgradient steps of Polyak's length, halved where they no longer help (Fisher 1981).
    """
    prices = best = np.zeros(table.costs.shape[2])
    bound, pace, waited = np.inf, 1.0, 0
    first = table.patched(table.values.argmax(1), prices)
    known = table.worth(first) if first is not None else float(table.values.max(1).sum()) - table.span
    for _ in range(_SUBGRADIENT_STEPS):
        net = table.values - table.costs @ prices
        dual, over = float(net.max(1).sum() + prices.sum()), table.load(net.argmax(1)) - 1
        waited = 0 if dual < bound else waited + 1
        if dual < bound:
            bound, best = dual, prices
        if waited > _PATIENCE:
            pace, waited, prices = pace / 2, 0, best
            continue
        moved = np.maximum(0.0, prices + pace * max(dual - known, 0.0) / max(float(over @ over), 1e-12) * over)
        if pace < 0.03 or np.array_equal(moved, prices):
            break
        prices = moved
    return best, bound


def _programmed(table: _Table, prices: Floats, best: Picks | None) -> Picks | None:
    """The best of `best` and some dynamic programmes over the dearest budget, the others' prices following the load."""
    dearest = int((prices * (table.load(table.values.argmax(1)))).argmax())
    others, pace = np.where(np.arange(len(prices)) == dearest, 0.0, prices), 0.3
    for _ in range(_PROGRAMMES):
        picks = _dynamic(table.values - table.costs @ others, table.costs[:, :, dearest])
        patched = None if picks is None else table.patched(picks, prices)
        if patched is not None and (best is None or table.worth(patched) > table.worth(best)):
            best = patched
        if picks is None or len(prices) == 1:
            break
        over = np.where(np.arange(len(prices)) == dearest, 0.0, table.load(picks) - 1)
        moved = np.maximum(0.0, others + pace * prices.max() * np.clip(over, -1.0, 1.0))
        if np.array_equal(moved, others):
            break
        others, pace = moved, pace * 0.6
    return best


def _dynamic(values: Floats, costs: Floats) -> Picks | None:
    """The most of `values` `[items, options]` with the summed `costs` at most 1, each rounded up to whole bins."""
    bins = np.ceil(costs * BINS - 1e-6).astype(np.intp)
    reached, chosen = np.zeros(BINS + 1), []
    for gains, steps in zip(values, bins, strict=True):
        padded = np.concatenate([np.full(BINS + 1, -np.inf), reached])
        at = np.lib.stride_tricks.sliding_window_view(padded, BINS + 1)[BINS + 1 - np.minimum(steps, BINS + 1)]
        table = at + gains[:, None]
        chosen.append(table.argmax(0))
        reached = table.max(0)
    if np.isneginf(reached[BINS]):
        return None
    left, picks = BINS, []
    for each, steps in zip(reversed(chosen), reversed(bins), strict=True):
        picks.append(int(each[left]))
        left -= int(steps[picks[-1]])
    return np.array(picks[::-1], dtype=np.intp)


def _paired(table: _Table, picks: Picks, bound: float) -> Picks:
    """Exchange the options of two items at a time, the pair of most gain first, while that fits and gains."""
    options = table.values.shape[1]
    for _ in range(_EXCHANGES):
        if bound - table.worth(picks) <= _GOOD_GAP / 20 * table.span:
            break
        gain, change = (each.reshape(-1, *each.shape[2:]) for each in table.changes(picks, table.values))
        one, other = np.nonzero(gain[:, None] + gain[None, :] > 1e-9 * table.span)
        apart = one // options < other // options
        one, other = one[apart], other[apart]
        for row, room in zip(change.T, 1 - table.load(picks), strict=True):
            fits = row[one] + row[other] <= room
            one, other = one[fits], other[fits]
        if len(one) == 0:
            break
        best = int((gain[one] + gain[other]).argmax())
        picks = _with(_with(picks, int(one[best]), options), int(other[best]), options)
    return picks


def _least_over(costs: Floats, budgets: Floats, allowed: NDArray[np.bool_]) -> Picks:
    """Weights on the budgets that grow where they are exceeded (Arora, Hazan and Kale 2012), then single exchanges."""
    scale = np.maximum(costs.max(1).sum(0) - costs.min(1).sum(0), np.finfo(float).tiny)
    rows, weights = np.arange(len(costs)), 1 / scale
    best, least = np.where(allowed, (costs @ weights), np.inf).argmin(1), np.inf
    for _ in range(_SUBGRADIENT_STEPS):
        picks = np.where(allowed, costs @ weights, np.inf).argmin(1)
        over = costs[rows, picks].sum(0) - budgets
        if over.max() < least:
            best, least = picks, float(over.max())
        weights = weights * np.exp(np.clip((over - over.max()) / scale, -5.0, 0.0))
        weights = weights / (weights * scale).max() + 1e-9 / scale
    for _ in range(_EXCHANGES):
        over = costs[rows, best].sum(0) - budgets
        worst = np.where(allowed, (over + costs - costs[rows, best][:, None]).max(2), np.inf)
        if worst.min() >= over.max() - 1e-12 * abs(over.max()):
            break
        best = _with(best, int(worst.argmin()), costs.shape[1])
    return np.asarray(best, np.intp)
