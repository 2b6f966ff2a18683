"""Intervals of an accuracy."""

from __future__ import annotations

import pytest

from controller.pruning.judge.accuracy import wilson


@pytest.mark.parametrize(("right", "samples", "low", "high"), [(90, 100, 0.8256, 0.9448), (0, 10, 0.0, 0.2775)])
def test_wilson_matches_published_values(right: int, samples: int, low: float, high: float) -> None:
    got = wilson(right, samples)
    assert (got.low, got.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
