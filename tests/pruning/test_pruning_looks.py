"""Looks at the gate: as often as a job looks, what is worse than the margin passes in at most one of twenty jobs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from controller.core.paired import ONE_SIDED, Paired
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.looks import Look, look_at
from controller.pruning.shelf import Shelf

SAMPLES, JOBS, LOOKS = 1500, 1500, 6
LOST, WON = 0.03, 0.02  # as bad as a margin of 0.01 allows


def bench(folder: Path, data: str = "d" * 64) -> Bench:
    return cast(Bench, SimpleNamespace(shelf=Shelf(folder, "m" * 64), data_sha256=data))


def test_each_look_for_a_request_is_stricter_and_a_second_one_at_the_same_artifact_is_none(tmp_path: Path) -> None:
    here = bench(tmp_path)
    assert [look_at(here, "caps", each).number for each in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert look_at(here, "other caps", "c").number == 1
    assert look_at(bench(tmp_path, "e" * 64), "caps", "z").number == 1
    assert look_at(bench(tmp_path), "caps", "z").number == 4
    assert [Look(number).error for number in (1, 2, 3)] == [ONE_SIDED / 2, ONE_SIDED / 4, ONE_SIDED / 8]


def test_half_a_line_of_a_full_disk_is_passed_over(tmp_path: Path) -> None:
    here = bench(tmp_path)
    look_at(here, "caps", "a")
    (file,) = tmp_path.glob("looks-*")
    file.write_bytes(file.read_bytes() + b'{"requested": "ca')
    assert look_at(here, "caps", "b").number == 2
    assert look_at(here, "caps", "c").number == 3


def test_a_job_that_looks_until_something_passes_passes_what_is_too_bad_in_one_of_twenty() -> None:
    """Each variant is a little other than the one before, as a further recovery of the same structure is."""
    dice = np.random.default_rng(20)
    spent, naive = 0, 0
    for _ in range(JOBS):
        draws = dice.random(SAMPLES)
        passed_spent = passed_naive = False
        for number in range(1, LOOKS + 1):
            judged = Paired(SAMPLES, lost=int((draws < LOST).sum()), won=int((draws > 1 - WON).sum()))
            passed_spent |= judged.non_inferior(LOST - WON, Look(number).error)
            passed_naive |= judged.non_inferior(LOST - WON)
            again = dice.random(SAMPLES) < 0.5
            draws = np.where(again, dice.random(SAMPLES), draws)
        spent, naive = spent + passed_spent, naive + passed_naive
    error = (ONE_SIDED * (1 - ONE_SIDED) / JOBS) ** 0.5
    assert spent / JOBS <= ONE_SIDED + 3 * error
    assert naive / JOBS > 2 * ONE_SIDED  # which is why
