"""Which jobs run when: first what the fleet waits for, then operators' prunes, then the patient ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.actions import Action, DropJob, StartJob, StopJob
from controller.core.jobs import audited, decide_jobs, identified
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import AT_WORK, Job, JobState
from controller.core.nouns.work import Dense, Ladder, Prediction, Prune, Refine, Unstructured, Work
from controller.core.policy import Policy
from tests.core.builders import MODEL, NOW, always

POLICY = Policy(attempts=3, retry_s=60, parallel_jobs=1)


def made(work: Work, name: str, state: JobState = JobState.QUEUED, **fields: Any) -> Job:
    return replace(Job(id=name, model=MODEL.ref, work=work, state=state), **fields)


def job(
    name: str,
    state: JobState = JobState.QUEUED,
    caps: Caps = Caps(ram_bytes=1),  # noqa: B008 - it is frozen
    prediction: Prediction | None = None,
    audit: bool = False,
    **fields: Any,
) -> Job:
    """A prune."""
    return made(Prune(caps, prediction, audit), name, state, **fields)


def started(*jobs: Job, policy: Policy = POLICY) -> list[str]:
    waited_for = frozenset((each.model, each.key) for each in jobs if each.id != "unwanted")
    return [
        each.job.id for each in decide_jobs(jobs, waited_for, waited_for, policy, NOW) if isinstance(each, StartJob)
    ]


def test_jobs_start_oldest_first_while_there_is_room() -> None:
    young, old = job("young", created_unix_s=2.0), job("old", created_unix_s=1.0)
    assert started(young, old) == ["old"]
    assert started(young, old, job("at work", JobState.RUNNING)) == []
    young = job("young", caps=Caps(ram_bytes=2), created_unix_s=2.0)
    assert started(young, old, policy=replace(POLICY, parallel_jobs=2)) == ["old", "young"]


def test_the_tightest_goes_first_as_what_fits_it_fits_the_most_devices() -> None:
    tag, band = job("a tag's", caps=Caps(ram_bytes=1)), job("b band's", caps=Caps(latency_s=2.0))
    patch = job("a patch's", caps=Caps(latency_s=1.0), created_unix_s=9.0)
    policy = replace(POLICY, parallel_jobs=3)
    assert started(tag, patch, band, policy=policy) == ["a patch's", "b band's", "a tag's"]


def test_a_device_with_nothing_to_run_comes_before_operators_and_they_before_what_would_serve_better() -> None:
    bare, better = job("bare", caps=Caps(ram_bytes=9)), job("better", caps=Caps(ram_bytes=1))
    mine = job("mine", caps=Caps(ram_bytes=5), asked=True)
    waited_for = frozenset((each.model, each.key) for each in (bare, better))
    needed = frozenset({(bare.model, bare.key)})
    found = decide_jobs([better, mine, bare], waited_for, needed, replace(POLICY, parallel_jobs=3), NOW)
    assert [each.job.id for each in found if isinstance(each, StartJob)] == ["bare", "mine", "better"]


def predicted(win: float) -> Prediction:
    return Prediction(against="tiny", win=win, high=win + 0.01, error=0.005)


def test_of_what_would_only_serve_better_the_largest_win_over_all_goes_first() -> None:
    wins = {9.0: 0.05, 5.0: 0.04, 1.0: 0.01}
    wishes = [job(str(at), caps=Caps(latency_s=at), prediction=predicted(win)) for at, win in wins.items()]
    waited_for = frozenset((each.model, each.key) for each in wishes)
    (found,) = decide_jobs(wishes, waited_for, frozenset(), POLICY, NOW)
    assert isinstance(found, StartJob)
    assert found.job.caps == Caps(latency_s=5.0)


def test_of_prunes_that_become_one_the_least_win_is_expected() -> None:
    wishes = [job(str(at), caps=caps, prediction=predicted((at + 1) / 100)) for at, caps in enumerate(CLOSE)]
    (meet,) = begun(*wishes)
    assert meet.work == Prune(MEET, predicted(0.01))
    (unknown,) = begun(NEAR[0], *wishes[1:])
    assert unknown.work == Prune(MEET)


CLOSE = (
    Caps(latency_s=1.0, ram_bytes=1050),
    Caps(latency_s=1.05, ram_bytes=1000),
    Caps(latency_s=1.02, ram_bytes=1020),
)
MEET = Caps(latency_s=1.0, ram_bytes=1000)
NEAR = [job(str(at), caps=caps) for at, caps in enumerate(CLOSE)]


def begun(*jobs: Job, policy: Policy = POLICY) -> list[Job]:
    waited_for = frozenset((each.model, each.key) for each in jobs)
    found = decide_jobs(jobs, waited_for, waited_for, policy, NOW)
    return [each.job for each in found if isinstance(each, StartJob)]


def test_prunes_for_caps_within_a_tenth_of_each_other_become_one_under_the_tighter_of_each() -> None:
    far = job("far", caps=Caps(latency_s=1.0, ram_bytes=1200))
    other = job("another model's", caps=CLOSE[0], model="other@1")
    found = begun(*NEAR, far, other, policy=replace(POLICY, parallel_jobs=9))
    assert len(found) == 3
    assert {(each.model, each.caps) for each in found} == {
        (MODEL.ref, MEET), (MODEL.ref, far.caps), ("other@1", CLOSE[0])
    }  # fmt: skip
    (meet,) = [each for each in found if each.caps == MEET]
    assert meet == identified(meet), "it has a name of its own"


def test_where_the_meet_is_refused_the_next_one_is_asked_for_and_nothing_tighter() -> None:
    refused = job("meet", JobState.INFEASIBLE, caps=MEET)
    (first,) = begun(*NEAR, refused)
    assert first.caps == Caps(latency_s=1.0, ram_bytes=1020), "of two, of which the refusal says nothing"
    (second,) = begun(*NEAR, refused, job("two", JobState.INFEASIBLE, caps=first.caps))
    assert second.caps not in (MEET, first.caps)


def test_what_a_running_prune_will_serve_waits_for_it_and_an_operators_own_does_not() -> None:
    at_work = job("meet", JobState.RUNNING, caps=MEET)
    two = replace(POLICY, parallel_jobs=2)
    assert started(at_work, NEAR[0], policy=two) == []
    assert started(at_work, replace(NEAR[0], id="mine", asked=True), policy=two) == ["mine"]


def test_an_audit_is_made_when_nothing_else_is_to_do_and_as_any_other_where_a_device_comes_to_wait_for_it() -> None:
    audit = job("unwanted", caps=Caps(ram_bytes=5), audit=True)
    assert started(audit) == ["unwanted"]
    assert started(audit, job("j", JobState.RUNNING)) == []
    assert started(audit, job("j")) == ["j"]
    assert started(replace(audit, id="wanted"), job("j", caps=Caps(ram_bytes=9))) == ["wanted"]


def test_there_is_one_audit_for_every_few_prunes_that_came_out() -> None:
    audit = job("unwanted", caps=Caps(ram_bytes=5), audit=True)
    done = [job(f"d{at}", JobState.DONE, prediction=predicted(0.01)) for at in range(4)]
    before = job("before", JobState.DONE, audit=True, prediction=predicted(0.0))
    assert started(audit, before, *done[:3]) == []
    assert started(audit, before, *done) == ["unwanted"]
    assert started(replace(audit, asked=True), before) == ["unwanted"]


@pytest.mark.parametrize("one_in", [1, 4])
def test_one_in_so_many_prunes_that_do_not_pay_is_audited_and_always_the_same(one_in: int) -> None:
    policy = replace(POLICY, audit_one_in=one_in)
    taken = [audited(MODEL.ref, Caps(ram_bytes=ram), policy) for ram in range(2000)]
    assert taken == [audited(MODEL.ref, Caps(ram_bytes=ram), policy) for ram in range(2000)]
    assert sum(taken) == pytest.approx(2000 / one_in, rel=0.15)


def test_a_failed_job_is_tried_again_after_a_pause_and_a_few_times() -> None:
    assert started(job("j", JobState.FAILED, attempts=1, finished_unix_s=NOW - 60)) == ["j"]
    assert started(job("j", JobState.FAILED, attempts=1, finished_unix_s=NOW - 59)) == []
    assert started(job("j", JobState.FAILED, attempts=3, finished_unix_s=NOW - 1e6)) == []


def test_a_prune_that_nobody_waits_for_any_more_is_not_started_but_a_dense_model_is() -> None:
    assert started(job("unwanted", caps=Caps(ram_bytes=2)), job("j", created_unix_s=NOW)) == ["j"]
    assert decide_jobs([job("unwanted")], frozenset(), frozenset(), POLICY, NOW) == [DropJob("unwanted")]
    assert started(made(Dense(), "unwanted")) == ["unwanted"]


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


def ladder(name: str = "unwanted", state: JobState = JobState.QUEUED, rungs: int = 8, **fields: Any) -> Job:
    return made(Ladder(rungs), name, state, **{"asked": True, **fields})


def report(name: str = "unwanted", **fields: Any) -> Job:
    return made(Unstructured(0.8), name, asked=True, **fields)


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
    assert started(ladder(created_unix_s=1.0), report("report", created_unix_s=9.0)) == ["report"]


def refine(
    name: str = "unwanted",
    state: JobState = JobState.QUEUED,
    caps: Caps = Caps(ram_bytes=1),  # noqa: B008 - it is frozen
    **fields: Any,
) -> Job:
    return made(Refine(caps, budget_s=600.0), name, state, asked=True, **fields)


@pytest.mark.parametrize(
    "other",
    [
        job("prune"),
        job("prune", JobState.RUNNING),
        job("prune", JobState.FAILED, attempts=1, finished_unix_s=NOW - 60),
        job("unwanted", caps=Caps(ram_bytes=9), audit=True),
        job("unwanted", caps=Caps(ram_bytes=9), audit=True, state=JobState.RUNNING),
        ladder(),
        ladder(state=JobState.RUNNING),
        report(),
        refine("another", JobState.RUNNING, caps=Caps(ram_bytes=3)),
        refine("another", JobState.STOPPING, caps=Caps(ram_bytes=3)),
    ],
    ids=lambda each: f"{each.kind} {each.state}",
)
@pytest.mark.parametrize("parallel", [1, 2, 9])
def test_a_refine_only_starts_where_nothing_else_is_to_do_or_under_way(other: Job, parallel: int) -> None:
    policy = replace(POLICY, parallel_jobs=parallel)
    assert started(refine("r"), policy=policy) == ["r"]
    assert "r" not in started(refine("r"), other, policy=policy)


def decided(*jobs: Job, policy: Policy = POLICY) -> list[Action]:
    waited_for = frozenset((each.model, each.key) for each in jobs if each.id != "unwanted")
    return decide_jobs(jobs, waited_for, waited_for, policy, NOW)


def test_a_refine_that_runs_is_stopped_for_a_prune_that_starts_at_once_beside_it() -> None:
    running, prune = refine("r", JobState.RUNNING), job("prune", caps=Caps(ram_bytes=2))
    assert decided(running, prune) == [StopJob(running), StartJob(prune)]
    assert decided(running, replace(prune, state=JobState.RUNNING)) == [StopJob(running)]
    stopping = replace(running, state=JobState.STOPPING)
    assert decided(stopping, prune) == [StartJob(prune)], "it is told to stop once"
    assert decided(stopping, replace(prune, state=JobState.RUNNING)) == []


def test_a_refine_is_stopped_for_what_an_operator_follows_though_that_starts_only_once_it_has_ended() -> None:
    running = refine("r", JobState.RUNNING)
    for other in (ladder("l"), report("u")):
        assert decided(running, other) == [StopJob(running)]
        stopping = replace(running, state=JobState.STOPPING)
        assert decided(stopping, other) == []
        assert decided(replace(running, state=JobState.QUEUED), other) == [StartJob(other)]


@pytest.mark.parametrize(
    "other",
    [
        job("done", JobState.DONE),
        job("paused", JobState.FAILED, attempts=1, finished_unix_s=NOW - 59),
        job("hopeless", JobState.FAILED, attempts=1, finished_unix_s=0.0, retry=False),
        job("unwanted", caps=Caps(ram_bytes=2)),
        refine("another", caps=Caps(ram_bytes=3)),
    ],
    ids=lambda each: each.id,
)
def test_a_refine_is_not_stopped_for_what_will_not_start(other: Job) -> None:
    running = refine("r", JobState.RUNNING)
    assert [each for each in decided(running, other) if not isinstance(each, DropJob)] == []


def test_a_refine_that_is_asked_for_is_kept_and_the_tightest_goes_first() -> None:
    tight, loose = refine("t", caps=Caps(latency_s=1.0)), refine("l", caps=Caps(latency_s=2.0), created_unix_s=-9.0)
    assert decide_jobs([loose, tight], frozenset(), frozenset(), POLICY, NOW) == [StartJob(tight)]


caps = st.sampled_from([Caps(ram_bytes=1), Caps(ram_bytes=2), Caps(latency_s=1.0), *CLOSE])
works = st.one_of(
    st.just(Dense()), st.builds(Prune, caps, audit=st.booleans()), st.just(Ladder(8)), st.just(Unstructured(0.8)),
    st.builds(Refine, caps, st.just(600.0)),
)  # fmt: skip
any_job = st.builds(
    made, works, st.uuids().map(str), st.sampled_from(JobState), asked=st.booleans(), attempts=st.integers(0, 4),
    finished_unix_s=st.just(0.0),
)  # fmt: skip
some_jobs = st.lists(any_job, max_size=8)


@always
@given(some_jobs, st.integers(1, 3))
def test_whatever_is_asked_for_room_is_kept_and_no_ladder_delays_a_prune(jobs: list[Job], parallel: int) -> None:
    policy = replace(POLICY, parallel_jobs=parallel)
    starting = begun(*jobs, policy=policy)  # one that stands for several is none of these
    without = [each for each in jobs if not _is_patient(each)]
    urgent = [each for each in starting if not _is_patient(each)]
    running = sum(each.state in AT_WORK for each in without)
    assert len(urgent) == len(begun(*without, policy=policy))
    assert running + len(urgent) <= max(parallel, running)
    assert len(starting) - len(urgent) <= 1


def _is_patient(job: Job) -> bool:
    return isinstance(job.work, Ladder | Unstructured | Refine)


def after(jobs: list[Job], actions: list[Action]) -> list[Job]:
    """The jobs once the actions are performed; how a job ends is another day's news."""
    rows = {each.id: each for each in jobs}
    for action in actions:
        match action:
            case StartJob(begun):
                rows[begun.id] = replace(begun, state=JobState.RUNNING, attempts=begun.attempts + 1)
            case StopJob(stopped):
                assert rows[stopped.id].state is JobState.RUNNING
                rows[stopped.id] = replace(stopped, state=JobState.STOPPING)
            case DropJob(name):
                assert (rows[name].asked, rows[name].state) == (False, JobState.QUEUED)
                del rows[name]
    return list(rows.values())


@always
@given(some_jobs, st.sets(st.sampled_from([Caps(ram_bytes=1), *CLOSE])), st.integers(1, 3))
def test_no_refine_runs_while_anything_else_does_and_all_comes_to_rest(
    jobs: list[Job], waiting: set[Caps], parallel: int
) -> None:
    policy = replace(POLICY, parallel_jobs=parallel)
    waited_for = frozenset((MODEL.ref, caps.key) for caps in waiting)
    begun, stopped = set[str](), set[str]()
    for _ in range(len(jobs) + 2):
        actions = decide_jobs(jobs, waited_for, frozenset(), policy, NOW)
        if not actions:
            break
        jobs = after(jobs, actions)
        begun |= {each.job.id for each in actions if isinstance(each, StartJob)}
        stopped |= {each.job.id for each in actions if isinstance(each, StopJob)}
        alone = [each for each in jobs if isinstance(each.work, Refine) and each.state is JobState.RUNNING]
        assert not alone or not any(each.state in AT_WORK and not isinstance(each.work, Refine) for each in jobs)
    else:
        raise AssertionError("it never comes to rest")
    assert not begun & stopped, "nothing is begun only to be stopped"
    assert {type(each.work) for each in jobs if each.id in stopped} <= {Refine}
    urgent = [each for each in jobs if isinstance(each.work, Prune) and each.asked and each.state is JobState.QUEUED]
    assert not (urgent and any(isinstance(each.work, Refine) and each.state is JobState.RUNNING for each in jobs))


def test_equal_requests_are_one_job_and_others_are_not() -> None:
    works = [
        Prune(Caps(ram_bytes=5)),
        Prune(Caps(storage_bytes=5)),
        Dense(),
        Ladder(8),
        Ladder(4),
        Unstructured(0.8),
        Unstructured(0.9),
        Refine(Caps(ram_bytes=5), 600.0),
        Refine(Caps(storage_bytes=5), 600.0),
    ]
    asked = [*(made(each, "") for each in works), made(works[0], "", model="other@1")]
    assert len({identified(each).id for each in asked}) == len(asked)
    told = msgspec.structs.replace(works[0], prediction=predicted(0.1), audit=True, budget_s=9.0)
    again = made(told, "", asked=True, created_unix_s=9.0)
    assert identified(asked[0]).id == identified(again).id
