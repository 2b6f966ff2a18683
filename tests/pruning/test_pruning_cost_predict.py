"""From prices to costs and back: rising lines through what was measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.costs import Costs
from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Precision
from controller.pruning.cost.line import Line, through
from controller.pruning.cost.predict import Known, Predictor
from controller.pruning.cost.price import Price

PRICES = st.builds(
    lambda latency, weights, live: Price(latency, weights, np.array(live)),
    st.floats(1e-6, 1),
    st.floats(1e3, 1e8),
    st.lists(st.floats(0, 1e7), min_size=1, max_size=4),
)
COSTS = st.builds(
    lambda ram, size, latency: Costs(ram_bytes=ram, storage_bytes=size, latency_s=latency),
    st.floats(1e5, 1e9),
    st.floats(1e3, 1e8),
    st.floats(1e-5, 2),
)
KNOWN = st.lists(st.builds(Known, PRICES, COSTS), max_size=6)
CAPS = st.builds(
    lambda ram, size, latency: Caps(ram_bytes=ram, storage_bytes=size, latency_s=latency),
    st.none() | st.integers(10_000, 10**9),
    st.none() | st.integers(1_000, 10**8),
    st.none() | st.floats(1e-5, 2),
)
PRECISION = st.sampled_from(Precision)


@given(KNOWN, PRICES, CAPS, PRECISION)
def test_what_keeps_the_budgets_is_predicted_within_the_caps(
    known: list[Known], price: Price, caps: Caps, precision: str
) -> None:
    predictor = Predictor(known, precision)
    budgets = predictor.budgets(caps)
    shares = budgets.shares(price.latency_s, price.weights_bytes, price.live_bytes)
    if (shares <= 1).all():
        assert all(each.share <= 1 + 1e-9 for each in predictor.costs(price).uses(caps))


@given(KNOWN, PRICES, PRECISION)
def test_the_caps_that_a_price_just_needs_give_budgets_that_it_keeps(
    known: list[Known], price: Price, precision: str
) -> None:
    predictor = Predictor(known, precision)
    costs = predictor.costs(price)
    caps = Caps(round(costs.ram_bytes * 1.001 + 1), round(costs.storage_bytes * 1.001 + 1), costs.latency_s * 1.001)
    budgets = predictor.budgets(caps)
    if costs.latency_s > 0:
        assert (budgets.shares(price.latency_s, price.weights_bytes, price.live_bytes) <= 1 + 1e-6).all()


@given(KNOWN, PRICES, st.floats(1, 3), PRECISION)
def test_more_of_anything_never_costs_less(known: list[Known], price: Price, factor: float, precision: str) -> None:
    predictor = Predictor(known, precision)
    larger = Price(price.latency_s * factor, price.weights_bytes * factor, price.live_bytes * factor)
    small, large = predictor.costs(price), predictor.costs(larger)
    assert large.latency_s >= small.latency_s * (1 - 1e-9)
    assert large.ram_bytes >= small.ram_bytes * (1 - 1e-9)
    assert large.storage_bytes >= small.storage_bytes * (1 - 1e-9)


def test_a_measured_structure_costs_what_was_measured() -> None:
    prices = [Price(latency, weights, np.array([2e5])) for latency, weights in ((1e-3, 1e6), (3e-4, 1e5))]
    costs = [
        Costs(ram_bytes=5e6, storage_bytes=1.1e6, latency_s=1.3e-3),
        Costs(ram_bytes=1e6, storage_bytes=1.2e5, latency_s=5e-4),
    ]
    predictor = Predictor([Known(*pair) for pair in zip(prices, costs, strict=True)])
    for price, cost in zip(prices, costs, strict=True):
        got = predictor.costs(price)
        assert (got.ram_bytes, got.storage_bytes, got.latency_s) == pytest.approx(
            (cost.ram_bytes, cost.storage_bytes, cost.latency_s)
        )
    between = predictor.costs(Price(6.5e-4, 5.5e5, np.array([2e5])))
    assert between.latency_s == pytest.approx(9e-4)
    assert between.ram_bytes == pytest.approx(3e6 * 1.2)  # above the line: never promised too little


def test_the_ram_of_a_smaller_structure_is_not_promised_too_low_from_the_dense_one_alone() -> None:
    dense, half, small = [
        Known(Price(1e-3, weights, np.array([live])), Costs(ram_bytes=ram, storage_bytes=1e5, latency_s=1e-3))
        for weights, live, ram in (
            (241_056, 42_368, 2_437_120),
            (140_928, 36_096, 2_273_280),
            (26_816, 17_280, 1_576_960),
        )
    ]  # a MobileNetV2-like network in INT8, as measured: RAM falls late
    predictor = Predictor([dense], Precision.INT8)
    assert half.costs.ram_bytes <= predictor.costs(half.price).ram_bytes <= 1.1 * half.costs.ram_bytes
    assert small.costs.ram_bytes <= predictor.costs(small.price).ram_bytes <= 1.25 * small.costs.ram_bytes


def test_a_point_that_noise_made_dear_costs_no_more_than_a_larger_one() -> None:
    line = through([(1.0, 3.0), (2.0, 5.0), (3.0, 4.0)], 0.7, Line(((0.0, 0.0),), 1.0))
    assert line.at(2.0) == 4.0
    assert all(low <= high for low, high in pairwise(line.at(term) for term in np.linspace(0, 5, 60)))


def test_without_a_measured_artifact_the_tables_are_the_prediction() -> None:
    costs = Predictor([]).costs(Price(1e-3, 4e5, np.array([1e5, 2e5])))
    assert 1e-3 <= costs.latency_s <= 1.3e-3
    assert 4e5 <= costs.storage_bytes <= 4.2e5
    assert costs.ram_bytes > 4e5 + 2e5
