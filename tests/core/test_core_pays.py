"""What a prune is predicted to win before it is made: by what this model's variants reach, and by what was missed."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.nouns.caps import Caps
from controller.core.nouns.evidence import right_or_not
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.variant import Precision, Variant
from controller.core.nouns.work import Prediction, Prune
from controller.core.pays import (
    PRIOR_COUNT,
    PRIOR_DEVIATION,
    PRIOR_MEAN,
    accuracy_at,
    gate_error,
    isotonic,
    pays,
    predict,
    residuals,
    scale_at,
    size_under,
)
from tests.core.builders import DENSE, MODEL, always, floats, variant


def known(name: str, share: float, accuracy: float, **fields: object) -> Variant:
    return variant(name, share, **{"accuracy": accuracy, "gate_samples": 10_000, "dense": share == 1, **fields})


FLAT = (known("dense", 1.0, 0.93), known("half", 0.5, 0.929), known("fifth", 0.2, 0.9295))
FALLING = (known("dense", 1.0, 0.95), known("half", 0.5, 0.94), known("fifth", 0.2, 0.80))


def under(share: float) -> Caps:
    return Caps(latency_s=DENSE.latency_p95_s * share)


def test_a_prune_pays_where_much_may_be_won_and_not_where_nothing_was_ever_lost() -> None:
    steep = predict(FALLING[2], under(0.4), FALLING, ())
    assert steep is not None
    assert steep.win == pytest.approx((0.94 - 0.80) * math.log(0.4 / 0.2) / math.log(0.5 / 0.2), rel=1e-6)
    assert pays(steep)
    flat = predict(FLAT[2], under(0.4), FLAT, ())
    assert flat is not None
    assert not pays(flat)
    assert flat.against == "fifth"


def test_the_size_is_the_largest_whose_costs_are_inside_every_cap_in_any_precision() -> None:
    assert size_under(under(0.3), FALLING) == pytest.approx(30_000, rel=1e-6)
    assert size_under(replace(under(0.3), ram_bytes=DENSE.ram_bytes // 4), FALLING) == pytest.approx(25_000, rel=1e-3)
    assert size_under(under(2.0), FALLING) == pytest.approx(100_000)
    assert size_under(under(0.19), FALLING) is None, "smaller than all that was measured"
    assert size_under(Caps(ram_bytes=0), FALLING) is None
    int8 = [replace(each, precision=Precision.INT8, latency_p95_s=each.latency_p95_s / 2) for each in FALLING]
    assert size_under(under(0.3), [*FALLING, *int8]) == pytest.approx(60_000, rel=1e-6)


def test_without_accuracies_or_a_gate_nothing_is_predicted() -> None:
    unverified = [replace(each, accuracy=None) for each in FLAT]
    assert predict(unverified[2], under(0.4), unverified, ()) is None
    no_gate = [replace(each, gate_samples=None) for each in FLAT]
    assert predict(no_gate[2], under(0.4), no_gate, ()) is None


def test_the_gates_error_is_that_of_what_two_variants_differ_on() -> None:
    one = known("one", 0.5, 1.0, evidence=right_or_not("g", [True] * 1000))
    other = known("other", 0.4, 0.91, evidence=right_or_not("g", [at >= 90 for at in range(1000)]))
    assert gate_error(one, [one, other]) == pytest.approx(math.sqrt(90) / 1000)
    before = replace(one, evidence=None, drop_low=-0.002, drop_high=0.004)
    assert gate_error(before, []) == pytest.approx(0.006 / 3.92, rel=1e-3)


def job(name: str, win: float, made: str, state: JobState = JobState.DONE) -> Job:
    told = Prediction(against="fifth", win=win, high=win + 0.01, error=0.002)
    return Job(id=name, model=MODEL.ref, work=Prune(Caps(), told), state=state, sha256=made)


def test_what_was_missed_is_told_in_errors_of_the_gate_and_only_of_prunes_that_came_out() -> None:
    jobs = [job("a", 0.1, "half"), job("b", 0.1, "half", JobState.INFEASIBLE), job("c", 0.1, "gone")]
    assert residuals(jobs, FALLING) == [pytest.approx((0.14 - 0.10) / 0.002)]


def test_a_model_whose_prunes_won_less_than_was_said_is_pruned_less() -> None:
    first = predict(FALLING[2], under(0.21), FALLING, ())
    later = predict(FALLING[2], under(0.21), FALLING, [job(f"{at}", 0.142, "half") for at in range(6)])
    assert first is not None
    assert later is not None
    assert later.win == first.win
    assert later.high < first.high


def test_the_prior_is_what_the_zoos_ladders_say() -> None:
    """Every rung between the ends of the published ladders, predicted from the other rungs."""
    report = json.loads((Path(__file__).parents[2] / "docs/bench/prune.json").read_text())
    missed = [each for net in report["networks"].values() for each in left_out(net["ladder"]["points"])]
    assert len(missed) > 30
    assert statistics.mean(missed) == pytest.approx(PRIOR_MEAN, abs=0.02)
    assert statistics.stdev(missed) == pytest.approx(PRIOR_DEVIATION, abs=0.02)
    assert PRIOR_COUNT == 5


def left_out(points: list[dict[str, Any]]) -> list[float]:
    """By how many scales each rung lies above what the others say of its costs."""
    sizes = {each["rung"]: each["bytes"] for each in points if each["series"] == "hedgerow fp32"}
    rows = [(each, as_variant(each, sizes[each["rung"]])) for each in points]
    missed = []
    for point, made in rows:
        others = [each for row, each in rows if row["rung"] != point["rung"]]
        caps = caps_of(made)
        size = size_under(caps, others)
        if 0 < point["rung"] < max(sizes) and size and any(caps.covers(caps_of(each)) for each in others):
            error = (point["drop_high"] - point["drop_low"]) / 3.92
            missed.append((point["accuracy"] - accuracy_at(size, others)) / scale_at(size, others, error))
    return missed


def as_variant(point: dict[str, Any], fp32_bytes: int) -> Variant:
    """The page has no parameters; the bytes of the structure in fp32 are in proportion."""
    return variant(
        point["sha256"], 0.5, precision=point["series"].split()[-1], parameters=fp32_bytes,
        latency_p95_s=point["latency_p95_s"], ram_bytes=point["ram_bytes"], size_bytes=point["bytes"],
        accuracy=point["accuracy"],
    )  # fmt: skip


def caps_of(made: Variant) -> Caps:
    return Caps(ram_bytes=made.ram_bytes, storage_bytes=made.size_bytes, latency_s=made.latency_p95_s)


@always
@given(st.lists(floats(0, 1), min_size=1, max_size=12))
def test_the_monotone_row_never_falls_and_keeps_the_mean(values: list[float]) -> None:
    row = isotonic(values)
    assert all(low <= high + 1e-12 for low, high in pairwise(row))
    assert statistics.fmean(row) == pytest.approx(statistics.fmean(values))
    assert isotonic(sorted(values)) == sorted(values)


@always
@given(floats(0.05, 2.0), floats(0.05, 2.0))
def test_looser_caps_are_never_predicted_to_win_less(one: float, other: float) -> None:
    tight, loose = sorted((one, other))
    less, more = predict(FALLING[2], under(tight), FALLING, ()), predict(FALLING[2], under(loose), FALLING, ())
    if less is not None:
        assert more is not None
        assert less.win <= more.win + 1e-12


def test_a_prune_that_failed_does_not_make_others_look_better() -> None:
    fitting = [job(f"{at}", 0.14, "half") for at in range(6)]
    before = predict(FALLING[2], under(0.21), FALLING, fitting)
    after = predict(FALLING[2], under(0.21), FALLING, [*fitting, job("failed", 0.24, "half")])
    assert before is not None
    assert after is not None
    assert residuals([job("failed", 0.24, "half")], FALLING) == [pytest.approx(PRIOR_MEAN - PRIOR_DEVIATION)]
    assert after.high <= before.high


def test_between_what_differs_much_little_is_promised_and_a_miss_counts_for_less() -> None:
    told = predict(FALLING[2], under(0.21), FALLING, ())
    assert told is not None
    assert told.scale == pytest.approx(scale_at(size_under(under(0.21), FALLING) or 0, FALLING, told.error))
    assert told.scale > 10 * told.error
    missed = Prediction(against="fifth", win=0.04, high=0.3, error=0.002, scale=0.05)
    surprise = Job(id="s", model=MODEL.ref, work=Prune(Caps(), missed), state=JobState.DONE, sha256="half")
    assert residuals([surprise], FALLING) == [pytest.approx(0.1 / 0.05)]
