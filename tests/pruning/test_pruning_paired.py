"""Paired non-inferiority: what the samples on which two models differ allow one to say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.paired import Paired
from controller.pruning.judge.accuracy import pair


@st.composite
def counts(draw: st.DrawFn) -> Paired:
    lost, won = draw(st.integers(0, 200)), draw(st.integers(0, 200))
    return Paired(lost + won + draw(st.integers(0, 2000)), lost=lost, won=won)


def test_in_many_samples_the_figures_are_those_of_the_usual_formula() -> None:
    paired = Paired(100_000, lost=3000, won=2000)
    error = math.sqrt(5000 - 1000**2 / 100_000) / 100_000
    assert paired.drop == pytest.approx(0.01)
    assert paired.smallest_margin == pytest.approx(0.01 + 1.645 * error, abs=1e-5)
    assert (paired.drop_low, paired.drop_high) == pytest.approx((0.01 - 1.96 * error, 0.01 + 1.96 * error), abs=1e-5)


@pytest.mark.parametrize(("lost", "won", "samples"), [(7, 3, 200), (1, 0, 300), (3, 9, 100), (0, 0, 50)])
def test_in_few_samples_it_is_the_score_test(lost: int, won: int, samples: int) -> None:
    """At the margin, with the likeliest shares under it found by search, the drop is 1.645 standard errors below."""
    paired = Paired(samples, lost=lost, won=won)
    margin = paired.smallest_margin
    shares = np.linspace(max(0.0, -margin), (1 - margin) / 2, 2_000_001)[1:-1]
    chance = lost * np.log(shares + margin) + won * np.log(shares)
    share = shares[np.argmax(chance + (samples - lost - won) * np.log(1 - 2 * shares - margin))]
    error = math.sqrt((2 * share + margin - margin**2) / samples)
    assert (paired.drop - margin) / error == pytest.approx(-1.645, abs=0.01)


def test_outputs_are_compared_sample_by_sample() -> None:
    right, wrong = np.array([0.0, 1.0], np.float32), np.array([1.0, 0.0], np.float32)
    dense, variant = np.stack([right, right, right, wrong]), np.stack([right, wrong, wrong, right])
    assert pair(dense, variant, np.ones(4, np.int64)) == Paired(4, lost=2, won=1)


@given(counts(), st.floats(0, 1))
def test_it_never_passes_below_the_drop_measured(paired: Paired, margin: float) -> None:
    assert paired.smallest_margin >= paired.drop
    assert paired.non_inferior(margin) == (margin >= paired.smallest_margin)
    assert -1 <= paired.drop_low <= paired.drop <= paired.drop_high <= 1 or paired.samples == 0


@given(counts())
def test_swapping_the_models_mirrors_the_interval(paired: Paired) -> None:
    mirrored = Paired(paired.samples, lost=paired.won, won=paired.lost)
    assert (mirrored.drop, mirrored.drop_low) == (-paired.drop, -paired.drop_high)


@given(counts(), st.integers(2, 9))
def test_more_of_the_same_samples_show_more(paired: Paired, times: int) -> None:
    more = Paired(times * paired.samples, lost=times * paired.lost, won=times * paired.won)
    assert more.smallest_margin <= paired.smallest_margin + 1e-12
    assert more.drop == pytest.approx(paired.drop)


@given(counts())
def test_another_loss_never_makes_it_look_better(paired: Paired) -> None:
    worse = Paired(paired.samples + 1, lost=paired.lost + 1, won=paired.won)
    same = Paired(paired.samples + 1, lost=paired.lost, won=paired.won)
    assert worse.smallest_margin >= same.smallest_margin


@given(counts(), st.floats(1e-3, 1))
def test_the_samples_needed_are_those_that_show_it(paired: Paired, margin: float) -> None:
    needed = paired.samples_needed(margin)
    if needed is None:
        assert paired.samples == 0 or paired.drop >= margin
    else:
        assert (needed <= paired.samples) == paired.non_inferior(margin)


def test_no_difference_in_few_samples_shows_little() -> None:
    assert Paired(0, lost=0, won=0).smallest_margin == 1.0
    assert not Paired(0, lost=0, won=0).non_inferior(0.5)
    assert 0.2 < Paired(10, lost=0, won=0).smallest_margin < 0.3
    assert Paired(300, lost=0, won=0).non_inferior(0.01)
    assert not Paired(250, lost=0, won=0).non_inferior(0.01)


@pytest.mark.parametrize(
    ("lost", "won", "samples"),
    [(0.03, 0.02, 1000), (0.05, 0.045, 2000), (0.02, 0.01, 2000), (0.01, 0.0, 300), (0.005, 0.0, 1000)],
)
def test_about_one_in_twenty_passes_that_should_not(lost: float, won: float, samples: int) -> None:
    """Variants exactly as much worse as the margin allows."""
    drawn = np.random.default_rng(0).multinomial(samples, (lost, won, 1 - lost - won), size=20_000)
    found, times = np.unique(drawn, axis=0, return_counts=True)
    verdicts = [Paired(samples, lost=int(b), won=int(c)).non_inferior(lost - won) for b, c, _ in found]
    passed = np.average(verdicts, weights=times)
    assert 0.02 < passed < 0.055
