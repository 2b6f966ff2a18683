"""Which jobs run when: first what the fleet waits for, then operators' prunes, then the patient ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.actions import StartJob
from controller.core.jobs import decide_jobs, identified
from controller.core.policy import Policy
from controller.core.types import Caps, JobKind, JobState, PruneJob
from tests.core.builders import MODEL, NOW, always

POLICY = Policy(attempts=3, retry_s=60, parallel_jobs=1)


def job(name: str, state: JobState = JobState.QUEUED, **fields: object) -> PruneJob:
    made = PruneJob(id=name, model=MODEL.ref, caps=Caps(ram_bytes=1), state=state)
    return replace(made, **fields)  # type: ignore[arg-type]


def started(*jobs: PruneJob, policy: Policy = POLICY) -> list[str]:
    waited_for = frozenset((each.model, each.key) for each in jobs if each.id != "unwanted")
    return [each.job.id for each in decide_jobs(jobs, waited_for, policy, NOW) if isinstance(each, StartJob)]


def test_jobs_start_oldest_first_while_there_is_room() -> None:
    young, old = job("young", created_unix_s=2.0), job("old", created_unix_s=1.0)
    assert started(young, old) == ["old"]
    assert started(young, old, job("at work", JobState.RUNNING)) == []
    assert started(young, old, policy=replace(POLICY, parallel_jobs=2)) == ["old", "young"]


def test_of_jobs_asked_for_at_once_the_loosest_goes_first() -> None:
    tag, band = job("a tag's", caps=Caps(ram_bytes=1)), job("b band's", caps=Caps(latency_s=2.0))
    patch = job("a patch's", caps=Caps(latency_s=1.0))
    policy = replace(POLICY, parallel_jobs=3)
    assert started(tag, patch, band, policy=policy) == ["b band's", "a patch's", "a tag's"]


def test_a_failed_job_is_tried_again_after_a_pause_and_a_few_times() -> None:
    assert started(job("j", JobState.FAILED, attempts=1, finished_unix_s=NOW - 60)) == ["j"]
    assert started(job("j", JobState.FAILED, attempts=1, finished_unix_s=NOW - 59)) == []
    assert started(job("j", JobState.FAILED, attempts=3, finished_unix_s=NOW - 1e6)) == []


def test_a_prune_that_nobody_waits_for_any_more_is_not_started_but_a_dense_model_is() -> None:
    assert started(job("unwanted", caps=Caps(ram_bytes=2)), job("j", created_unix_s=NOW)) == ["j"]
    assert started(job("unwanted", kind=JobKind.DENSE, caps=Caps())) == ["unwanted"]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.INFEASIBLE])
def test_an_answered_job_is_not_started_again(state: JobState) -> None:
    assert started(job("j", state, attempts=1, finished_unix_s=0.0)) == []


@always
@given(st.lists(st.sampled_from(JobState), max_size=12), st.integers(1, 4))
def test_there_are_never_more_jobs_at_work_than_allowed(states: list[JobState], parallel: int) -> None:
    jobs = [job(f"j{at}", state, attempts=1, finished_unix_s=0.0) for at, state in enumerate(states)]
    at_work = states.count(JobState.RUNNING)
    assert len(started(*jobs, policy=replace(POLICY, parallel_jobs=parallel))) <= max(parallel - at_work, 0)


def test_what_fails_for_good_is_not_tried_again() -> None:
    assert started(job("j", JobState.FAILED, attempts=1, finished_unix_s=0.0, retry=False)) == []


def ladder(name: str = "unwanted", state: JobState = JobState.QUEUED, **fields: object) -> PruneJob:
    return job(name, state, **{"kind": JobKind.LADDER, "caps": Caps(), "rungs": 8, "asked": True, **fields})


def test_an_operators_prune_runs_though_no_device_waits_but_after_those_that_devices_wait_for() -> None:
    mine = job("unwanted", asked=True, caps=Caps(ram_bytes=7), created_unix_s=1.0)
    assert started(mine) == ["unwanted"]
    assert started(mine, job("theirs", created_unix_s=2.0)) == ["theirs"]


def test_a_ladder_starts_only_where_nothing_else_is_to_do() -> None:
    assert started(ladder()) == ["unwanted"]
    assert started(ladder(created_unix_s=1.0), job("prune", created_unix_s=2.0)) == ["prune"]
    assert started(ladder(), job("prune", JobState.RUNNING)) == []
    assert started(ladder(), ladder("other", JobState.RUNNING, rungs=4)) == []
    two = replace(POLICY, parallel_jobs=2)
    assert started(ladder(), job("prune", JobState.RUNNING), policy=two) == ["unwanted"]
    assert started(ladder(), ladder("other", rungs=4), policy=two) == ["other"]


def test_a_prune_starts_beside_a_ladder_that_runs_but_not_beside_another_prune() -> None:
    """An incident must not wait for a ladder's twenty minutes."""
    running = ladder("ladder", JobState.RUNNING)
    assert started(running, job("prune")) == ["prune"]
    assert started(running, job("prune"), job("at work", JobState.RUNNING)) == []


def test_a_ladder_that_nobody_asked_for_is_not_built() -> None:
    assert started(ladder(asked=False)) == []


def test_a_report_goes_before_a_ladder() -> None:
    report = ladder("report", kind=JobKind.UNSTRUCTURED, share=0.8, created_unix_s=9.0)
    assert started(ladder(created_unix_s=1.0), report) == ["report"]


kinds = st.builds(
    job, st.uuids().map(str), st.sampled_from(JobState), kind=st.sampled_from(JobKind), rungs=st.just(8),
    share=st.just(0.8), asked=st.booleans(), attempts=st.integers(0, 4), finished_unix_s=st.just(0.0),
)  # fmt: skip


@always
@given(st.lists(kinds, max_size=8), st.integers(1, 3))
def test_whatever_is_asked_for_room_is_kept_and_no_ladder_delays_a_prune(jobs: list[PruneJob], parallel: int) -> None:
    policy = replace(POLICY, parallel_jobs=parallel)
    names = set(started(*jobs, policy=policy))
    starting = [each for each in jobs if each.id in names]
    patient = [each for each in jobs if each.kind in (JobKind.LADDER, JobKind.UNSTRUCTURED)]
    without = [each for each in jobs if each not in patient]
    urgent_after = [each for each in without if each.state is JobState.RUNNING or each in starting]
    assert len([each for each in starting if each in without]) == len(started(*without, policy=policy))
    assert len(urgent_after) <= max(parallel, sum(each.state is JobState.RUNNING for each in without))
    assert sum(each in starting for each in patient) <= 1


def test_equal_requests_are_one_job_and_others_are_not() -> None:
    asked = [
        PruneJob(id="", model=MODEL.ref, caps=Caps(ram_bytes=5)),
        PruneJob(id="", model=MODEL.ref, caps=Caps(storage_bytes=5)),
        PruneJob(id="", model="other@1", caps=Caps(ram_bytes=5)),
        PruneJob(id="", model=MODEL.ref, kind=JobKind.DENSE),
        PruneJob(id="", model=MODEL.ref, kind=JobKind.LADDER, rungs=8),
        PruneJob(id="", model=MODEL.ref, kind=JobKind.LADDER, rungs=4),
        PruneJob(id="", model=MODEL.ref, kind=JobKind.UNSTRUCTURED, share=0.8),
        PruneJob(id="", model=MODEL.ref, kind=JobKind.UNSTRUCTURED, share=0.9),
    ]
    assert len({identified(each).id for each in asked}) == len(asked)
    assert identified(asked[0]).id == identified(replace(asked[0], created_unix_s=9.0, asked=True)).id
