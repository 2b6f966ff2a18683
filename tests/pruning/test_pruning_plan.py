"""Predictions, plans and intervals: arithmetic that needs no model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.types import Caps, Constraint
from controller.pruning.cost.predict import Costs, Point, binding, predict
from controller.pruning.cost.work import Work, WorkModel
from controller.pruning.judge.accuracy import wilson
from controller.pruning.solve.plan import choose_widths, narrower, smallest


def chain() -> WorkModel:
    """Three layers 3 -> a(64) -> b(32) -> 10."""
    return WorkModel(
        roots=("a", "b"),
        full_in=np.array([3.0, 64, 32]),
        full_out=np.array([64.0, 32, 10]),
        lost_in=np.array([[0.0, 0], [1, 0], [0, 1]]),
        lost_out=np.array([[1.0, 0], [0, 1], [0, 0]]),
        kernel=np.ones(3),
        per_output=np.ones(3),
        positions_in=np.ones(3),
        positions_out=np.ones(3),
        full_widths=np.array([64.0, 32]),
    )


DENSE = {"a": 64, "b": 32}
IMPORTANCE = {"a": [float(i) for i in range(64)], "b": [1000.0 + i for i in range(32)]}
SIZE = Costs(ram_bytes=30_000, storage_bytes=12_000, latency_s=1e-3)


def point() -> Point:
    return Point(chain().work(DENSE), SIZE)


def test_work_is_the_product_of_the_widths() -> None:
    assert chain().work(DENSE).weights_bytes == 4 * (64 * 4 + 32 * 65 + 10 * 33)
    assert chain().work({"a": 8, "b": 16}).weights_bytes == 4 * (8 * 4 + 16 * 9 + 10 * 17)


@given(st.floats(0.3, 1.2), st.floats(0.3, 1.2), st.floats(0.3, 1.2))
def test_a_plan_is_predicted_inside_every_cap_or_is_the_smallest(ram: float, storage: float, latency: float) -> None:
    caps = Caps(ram_bytes=int(30_000 * ram), storage_bytes=int(12_000 * storage), latency_s=1e-3 * latency)
    work = chain()
    widths = choose_widths(DENSE, DENSE, IMPORTANCE, work, lambda each: predict([point()], each), caps)
    inside = binding(predict([point()], work.work(widths)), caps)[1] <= 1
    assert inside or all(narrower(width, DENSE[root]) is None for root, width in widths.items())
    assert all(smallest(DENSE[root]) <= width <= DENSE[root] for root, width in widths.items())
    assert all(width % 8 == 0 for width in widths.values())


def test_the_least_important_channels_go_first() -> None:
    caps = Caps(storage_bytes=9_000)
    widths = choose_widths(DENSE, DENSE, IMPORTANCE, chain(), lambda each: predict([point()], each), caps)
    assert widths["b"] == 32
    assert widths["a"] < 64


def test_no_cap_removes_nothing() -> None:
    assert choose_widths(DENSE, DENSE, IMPORTANCE, chain(), lambda each: SIZE, Caps()) == DENSE


def test_small_groups_lose_one_channel_at_a_time() -> None:
    assert narrower(10, 10) == 9
    assert narrower(smallest(10), 10) is None
    assert narrower(60, 60) == 56


def test_a_measured_point_is_predicted_as_measured() -> None:
    work = Work(weights_bytes=1e6, macs=1e6, activation_bytes=1e4, traffic_bytes=1e5)
    small = Work(weights_bytes=2e5, macs=3e5, activation_bytes=5e3, traffic_bytes=5e4)
    points = [Point(work, SIZE), Point(small, Costs(ram_bytes=9_000, storage_bytes=3_000, latency_s=4e-4))]
    assert predict(points, small) == points[1].costs
    between = Work(weights_bytes=6e5, macs=6e5, activation_bytes=7e3, traffic_bytes=7e4)
    assert 3_000 < predict(points, between).storage_bytes < 12_000


def test_binding_names_the_cap_that_is_used_most() -> None:
    caps = Caps(ram_bytes=40_000, latency_s=1.1e-3)
    assert binding(SIZE, caps) == (Constraint.DEADLINE, pytest.approx(1e-3 / 1.1e-3))
    assert binding(SIZE, Caps()) == (Constraint.NONE, 0.0)


@pytest.mark.parametrize(("right", "samples", "low", "high"), [(90, 100, 0.8256, 0.9448), (0, 10, 0.0, 0.2775)])
def test_wilson_matches_published_values(right: int, samples: int, low: float, high: float) -> None:
    got = wilson(right, samples)
    assert (got.low, got.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
