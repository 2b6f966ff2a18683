"""The multiple-choice knapsack against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.pruning.cost.sizes import Floats
from controller.pruning.solve.knapsack import BINS, Item, closest, solve


def drawn(seed: int, budgets: int, sorted_: bool) -> tuple[list[Item], Floats]:
    """Up to five items of up to six options, costs of either sign, and budgets between the cheapest and all of it."""
    dice = np.random.default_rng(seed)
    items = []
    for _ in range(dice.integers(1, 6)):
        options = dice.integers(1, 7)
        values, costs = dice.normal(size=options), dice.normal(size=(options, budgets))
        items.append(Item(np.sort(values), np.sort(costs, 0)) if sorted_ else Item(values, costs))
    least, most = (sum(edge(item.costs, axis=0) for item in items) for edge in (np.min, np.max))
    return items, np.asarray(least + (most - least) * dice.uniform(0, 1, budgets))


def best(items: list[Item], budgets: Floats) -> float:
    """The most value that fits, -inf where nothing does."""
    choices = itertools.product(*(range(len(item.values)) for item in items))
    return max((value(items, picks) for picks in choices if (spent(items, picks) <= budgets).all()), default=-np.inf)


def value(items: list[Item], picks: tuple[int, ...]) -> float:
    return float(sum(item.values[pick] for item, pick in zip(items, picks, strict=True)))


def spent(items: list[Item], picks: tuple[int, ...]) -> Floats:
    return np.asarray(sum(item.costs[pick] for item, pick in zip(items, picks, strict=True)))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.booleans())
def test_no_budget_is_exceeded(seed: int, budgets: int, sorted_: bool) -> None:
    items, caps = drawn(seed, budgets, sorted_)
    picks = solve(items, caps)
    if picks is not None:
        assert (spent(items, picks) <= caps + 1e-7).all()
        assert picks == solve(items, caps)
    elif budgets == 1 or sorted_:  # the cheapest options are the same for every budget, so that they do fit
        assert best(items, caps - 1e-7) == -np.inf


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_one_budget_is_solved_exactly_but_for_the_bins(seed: int) -> None:
    items, caps = drawn(seed, 1, sorted_=False)
    room = caps - sum(item.costs.min(0) for item in items)
    picks = solve(items, caps)
    assert picks is not None
    assert value(items, picks) >= best(items, caps - room * len(items) / BINS) - 1e-9


def test_three_budgets_are_solved_to_within_a_thousandth_on_average() -> None:
    gaps = []
    for seed in range(150):
        items, caps = drawn(seed, 3, sorted_=True)
        picks = solve(items, caps)
        assert picks is not None
        span = sum(float(np.ptp(item.values)) for item in items)
        gaps.append((best(items, caps) - value(items, picks)) / max(span, 1e-9))
    assert np.mean(gaps) < 0.001
    assert max(gaps) < 0.06


def test_none_where_the_cheapest_do_not_fit() -> None:
    items = [Item(np.array([0.0, 1.0]), np.array([[1.0, 5.0], [2.0, 6.0]]))]
    assert solve(items, np.array([3.0, 4.9])) is None
    assert solve(items, np.array([1.0, 5.0])) == (0,)
    assert solve(items, np.array([2.0, 6.0])) == (1,)


def test_nothing_to_choose() -> None:
    assert solve([], np.array([0.0])) == ()
    assert solve([], np.array([-1.0])) is None
    assert solve([Item(np.array([1.0, 3.0, 2.0]), np.zeros((3, 0)))], np.zeros(0)) == (1,)


@pytest.mark.parametrize("budget", [-1.0, 0.5])
def test_closest_is_the_least_excess(budget: float) -> None:
    items = [Item(np.array([9.0, 0.0]), np.array([[3.0, 0.0], [1.0, 1.0]]))] * 2
    assert closest(items, np.full(2, budget)) == (1, 1)
