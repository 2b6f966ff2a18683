"""Intervals and caps: arithmetic that needs no model."""

from __future__ import annotations

import pytest

from controller.core.types import Caps, Constraint
from controller.pruning.cost.predict import Costs, binding
from controller.pruning.judge.accuracy import wilson


def test_binding_names_the_cap_that_is_used_most() -> None:
    costs, caps = Costs(ram_bytes=30_000, storage_bytes=12_000, latency_s=1e-3), Caps(40_000, None, 1.1e-3)
    assert binding(costs, caps) == (Constraint.DEADLINE, pytest.approx(1e-3 / 1.1e-3))
    assert binding(costs, Caps()) == (Constraint.NONE, 0.0)


@pytest.mark.parametrize(("right", "samples", "low", "high"), [(90, 100, 0.8256, 0.9448), (0, 10, 0.0, 0.2775)])
def test_wilson_matches_published_values(right: int, samples: int, low: float, high: float) -> None:
    got = wilson(right, samples)
    assert (got.low, got.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_nothing_fits_a_cap_of_nothing() -> None:
    costs = Costs(ram_bytes=1.0, storage_bytes=2.0, latency_s=3.0)
    assert binding(costs, Caps(ram_bytes=0)) == (Constraint.RAM_MODEL, float("inf"))
