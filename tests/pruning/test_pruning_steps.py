"""How a job tells what it does and how long that still takes, from what its steps took before and at their own pace."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.pruning.paces import Paces
from controller.pruning.steps import Ahead, Step, Steps


class Job:
    def __init__(self, file: Path | None = None) -> None:
        self.now_s, self.said = 100.0, list[tuple[float, str]]()
        self.steps = Steps(lambda share, text: self.said.append((share, text)), Paces(file), lambda: self.now_s)

    def after(self, seconds: float, done: float | None = None, text: str = "") -> str:
        self.now_s += seconds
        self.steps.within(done, text)
        return self.said[-1][1]

    def run(self, took: dict[Step, float]) -> None:
        for step, seconds in took.items():
            self.steps.enter(step)
            self.now_s += seconds
        self.steps.close()


TOOK = {Step.ESTIMATING: 40.0, Step.RECOVERING: 20.0, Step.SHIPPING: 10.0}
AHEAD = [Ahead(step) for step in TOOK]


def known(folder: Path) -> Path:
    """What ten jobs before told."""
    for _ in range(10):
        Job(folder / "steps.json").run(TOOK)
    return folder / "steps.json"


def test_before_it_is_known_what_there_is_to_do_nothing_is_said_of_the_time() -> None:
    job = Job()
    assert job.after(0, text="torch") == "loading: torch"
    assert job.said[-1][0] == 0.0


def test_what_is_left_is_told_from_what_the_steps_took_before(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect(AHEAD)
    job.steps.enter(Step.ESTIMATING)
    assert job.said[-1][1] == "estimating what each unit is worth; about 70 s left"
    assert job.after(20) == "estimating what each unit is worth; about 50 s left"
    assert job.said[-1][0] == pytest.approx(20 / 70, abs=0.02)


def test_a_step_with_a_pace_of_its_own_is_told_by_that(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect(AHEAD)
    job.steps.enter(Step.ESTIMATING)
    job.after(0, 0.0)
    assert job.after(20, 0.25, "some") == "estimating what each unit is worth: some; about 90 s left"


def test_what_an_earlier_job_did_of_a_step_is_not_taken_for_speed(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect([])
    job.steps.enter(Step.RECOVERING)
    job.after(1, 0.5)
    assert job.after(10, 0.75).endswith("about 10 s left")


def test_a_share_that_falls_begins_anew(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect([])
    job.steps.enter(Step.PRICING)
    for _ in range(2):
        job.after(2, 0.0)
        assert job.after(10, 0.5).endswith("about 10 s left")


def test_a_step_that_takes_far_longer_than_expected_is_never_told_to_be_over(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect([])
    job.steps.enter(Step.SHIPPING)
    assert job.after(500).endswith("about 1 s left")


def test_steps_that_are_not_needed_after_all_are_told_to_be_ahead_no_longer(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect(AHEAD)
    job.steps.enter(Step.RECOVERING)
    job.steps.expect([Ahead(Step.SHIPPING)])
    assert job.after(2).endswith("about 28 s left")


def test_of_steps_that_come_several_times_one_is_gone_each_time(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect([Ahead(Step.RECOVERING)] * 3)
    job.steps.enter(Step.RECOVERING)
    assert job.said[-1][1].endswith("about 60 s left")
    job.now_s += 20
    job.steps.enter(Step.RECOVERING)
    assert job.said[-1][1].endswith("about 40 s left")


def test_twice_the_work_is_expected_to_take_twice_as_long(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect([Ahead(Step.SHIPPING, 2.0)])
    job.steps.enter(Step.RECOVERING, 0.5)
    assert job.said[-1][1].endswith("about 30 s left")


def test_the_best_so_far_and_the_part_are_told_with_it(tmp_path: Path) -> None:
    job = Job(known(tmp_path))
    job.steps.expect([])
    job.steps.best, job.steps.part = "so far 90 % right", "rung 2 of 6"
    job.steps.enter(Step.SHIPPING)
    assert job.said[-1][1] == "rung 2 of 6: measuring what ships; about 10 s left; so far 90 % right"


def test_many_quick_parts_are_a_line_a_second() -> None:
    job = Job()
    job.steps.enter(Step.ESTIMATING)
    for part in range(100):
        job.after(0.1, part / 100)
    assert 9 <= len(job.said) <= 12


def test_where_the_seconds_went_is_kept_by_step() -> None:
    job = Job()
    job.run(TOOK)
    job.run(TOOK)
    assert job.steps.took == {Step.LOADING: 0.0} | {step: 2 * seconds for step, seconds in TOOK.items()}


def test_a_step_that_had_nothing_to_do_tells_nothing_of_the_next(tmp_path: Path) -> None:
    file = known(tmp_path)
    before = Paces(file).seconds(Step.ESTIMATING, 1.0)
    Job(file).run({Step.ESTIMATING: 0.01})
    assert Paces(file).seconds(Step.ESTIMATING, 1.0) == before


def test_a_host_that_became_slower_is_known_after_a_few_jobs(tmp_path: Path) -> None:
    file = known(tmp_path)
    for _ in range(6):
        Job(file).run({Step.SHIPPING: 40.0})
    assert Paces(file).seconds(Step.SHIPPING, 1.0) == pytest.approx(40.0, rel=0.05)


@pytest.mark.parametrize("rubbish", [b"", b"[1]", b'{"recovering": "x"}', b"\0\xff"])
def test_what_cannot_be_read_is_as_if_there_was_nothing(rubbish: bytes, tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    file.write_bytes(rubbish)
    assert Paces(file).seconds(Step.RECOVERING, 2.0) == 2 * Paces(None).seconds(Step.RECOVERING, 1.0)
    Job(file).run(TOOK)
    assert Paces(file).seconds(Step.RECOVERING, 1.0) == pytest.approx(20.0)


def test_a_full_disk_costs_an_estimate_and_no_job(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    job = Job(tmp_path / "a file" / "steps.json")
    job.run(TOOK)
    assert job.steps.took == {Step.LOADING: 0.0} | TOOK


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.none() | st.floats(0.0, 1.0)), max_size=30))
def test_the_time_left_is_never_below_nothing_and_a_share_is_one(moves: list[tuple[float, float | None]]) -> None:
    job = Job()
    job.steps.expect(AHEAD)
    job.steps.enter(Step.ESTIMATING)
    for seconds, done in moves:
        job.after(seconds, done)
        assert (job.steps.left_s or 0.0) >= 0.0
        assert 0.0 <= job.said[-1][0] <= 1.0
