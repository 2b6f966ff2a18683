"""What the benchmark of the first variant reads off a job's progress."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.bench.soon.equal import part_of
from tests.bench.soon.honesty import honesty
from tests.bench.soon.jobs import JOBS, chain
from tests.bench.soon.pooled import Above, above, pooled
from tests.bench.soon.stages import Tick, seconds_by_stage


def test_each_second_belongs_to_the_stage_that_was_told_last() -> None:
    ticks: list[Tick] = [
        (1.0, 0.0, "loading torch"),
        (4.0, 0.08, "9 prunable groups, 1 kept dense"),
        (5.0, 0.08, "timing an artifact of 12 KiB in fp32, 1 of at most 5 times"),
        (9.0, 0.1, "estimating what each unit is worth: 10 % done, about 4 s left"),
        (14.0, 0.4, "recovering, epoch 1 of 1"),
        (20.0, 0.5, "exporting and measuring what ships"),
    ]
    found = {stage: seconds for stage, seconds in seconds_by_stage(ticks, 27.0).items() if seconds}
    assert found == {"loading": 4.0, "ends": 5.0, "estimating": 5.0, "recovery": 6.0, "shipping": 7.0}


def test_a_bar_that_keeps_its_pace_is_never_off() -> None:
    seen = honesty([(float(each), each / 60, "on the way") for each in range(60)], 60.0)
    assert seen["worst"] == pytest.approx(0.0, abs=1e-6)
    assert (seen["looks"], seen["within"]) == (38, 1.0)


def test_words_are_believed_before_the_bar() -> None:
    seen = honesty([(0.0, 0.0, "on the way"), (10.0, 0.9, "about 0.5 min left")], 30.0)
    assert seen["median"] > seen["by_share"]["median"]
    assert seen["worst"] == pytest.approx(30 / 3 - 1)


def test_nobody_looks_at_what_is_over_at_once() -> None:
    assert honesty([(0.1, 0.0, "loading torch")], 2.5)["looks"] == 0


def test_every_jobs_shelf_comes_from_jobs_before_it() -> None:
    names = list(JOBS)
    assert all(names.index(each) < names.index(name) for name in names for each in chain(name))


def test_seeds_are_pooled_by_sample_and_by_seed() -> None:
    part = part_of({"seed-1": _seed(1, [1, 0, 0, 0]), "seed-2": _seed(2, [1, 0, 0, -1])}, ended=True)
    assert [each["above"] for each in part["seeds"]] == [0.25, 0.0]
    assert part["sums"] == {"-1": 1, "0": 2, "2": 1}
    found = above(part)
    assert found.mean == 0.125
    assert found.variance == pytest.approx((1 + 0 + 0 + 0.25 - 4 * 0.125**2) / 3 / 4 + 0.125**2)


def test_networks_count_alike_and_narrow_the_limit() -> None:
    both = pooled([Above(0.002, 1e-5), Above(0.004, 3e-5)])
    assert (both.mean, both.variance) == (pytest.approx(0.003), pytest.approx(1e-5))
    assert both.limit == pytest.approx(0.003 + 1.645 * 1e-5**0.5, rel=1e-3)


def test_a_seed_without_a_variant_is_not_passed_over() -> None:
    rows = {"seed-1": _seed(1, [0, 0]), "seed-2": {"seed": 2, "before": {"state": "infeasible", "seconds": 9.0}}}
    assert above(part_of(rows, ended=True)).limit == math.inf


def _seed(seed: int, more: list[int]) -> dict[str, Any]:
    return {"seed": seed, "before": {"share": 0.7}, "now": {"share": 0.66}, "above": more}
