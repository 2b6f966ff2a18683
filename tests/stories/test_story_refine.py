"""First, then better: a prune's variant goes out at once, and a refine works on while nothing else is to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.intents import AskJob, IntentError, SetModel
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.job import AT_WORK, UNFINISHED, Job, JobState
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.work import Ladder, Prune, Refine, Work
from controller.core.policy import Policy
from controller.core.refine import refine_of
from controller.pruning.job import JobResult
from tests.stories.test_story_better import judged, ran
from tests.stories.test_story_restart import Killed, fail_at_action, fail_at_send
from tests.stories.world import World, profile

BUDGET_S = 100.0
TIGHT, LOOSE = Caps(latency_s=0.004), Caps(latency_s=0.007)


def asked(caps: Caps = TIGHT, budget_s: float | None = None) -> AskJob:
    return AskJob("watch@1", Prune(caps, budget_s=budget_s))


PRUNE, REFINED, OTHER = asked(), asked(budget_s=BUDGET_S), asked(LOOSE)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return made(tmp_path)


def made(tmp_path: Path) -> World:
    tmp_path.mkdir(exist_ok=True)
    world = World(tmp_path, Policy(soak_s=6, retry_s=5, resend_s=5, attempts=3, cooldown_s=30))
    world.jobs.seconds = 4.0
    world.jobs.spoilt = judged
    world.add_model()
    world.jobs.started.clear()
    return world


def of_kind(world: World, kind: type[Work]) -> list[Job]:
    with world.store.read() as tx:
        return [each for each in tx.jobs() if isinstance(each.work, kind)]


def refine(world: World) -> Job:
    (only,) = of_kind(world, Refine)
    return only


def budget_s(world: World) -> float:
    """Of the only refine."""
    work = refine(world).work
    assert isinstance(work, Refine)
    return work.budget_s


def refining(world: World) -> bool:
    return any(each.state is JobState.RUNNING for each in of_kind(world, Refine))


def at_rest(world: World) -> bool:
    with world.store.read() as tx:
        return not tx.jobs(*UNFINISHED)


def under_way(world: World) -> Job:
    """A refine that an operator asked for, at work."""
    world.ask(REFINED)
    world.until(lambda: refining(world))
    world.run(10)
    return refine(world)


# --- what is not refined ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nonsense", "words"),
    [
        (asked(budget_s=-1.0), "from 0"),
        (asked(budget_s=float("nan")), "from 0"),
        (asked(budget_s=float("inf")), "from 0"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_queued(world: World, nonsense: AskJob, words: str) -> None:
    with pytest.raises(IntentError, match=words) as refused:
        world.ask(nonsense)
    assert refused.value.status == 400
    world.run(2)
    assert world.jobs.started == []


@pytest.mark.parametrize("refine_s", [-1.0, float("nan"), float("inf")])
def test_a_policy_that_is_none_is_refused(world: World, refine_s: float) -> None:
    with pytest.raises(IntentError, match="0 for none"):
        world.ask(SetModel("watch@1", refine_s=refine_s))


def test_without_a_budget_a_prune_is_all(world: World) -> None:
    world.ask(PRUNE)
    world.run(30)
    assert world.jobs.started == [TIGHT.key]


def test_a_prune_that_was_told_so_is_not_refined_though_its_model_is(world: World) -> None:
    world.ask(SetModel("watch@1", refine_s=BUDGET_S))
    world.ask(asked(budget_s=0.0))
    world.ask(OTHER)
    world.run(30)
    assert refine(world).caps == LOOSE


def test_a_prune_that_found_nothing_has_no_refine(world: World) -> None:
    world.ask(asked(Caps(latency_s=1e-6), BUDGET_S))
    world.run(30)
    assert of_kind(world, Refine) == []


@pytest.mark.parametrize(
    "result",
    [
        JobResult(state=JobState.FAILED, detail="the data are gone"),
        JobResult(state=JobState.FAILED, detail="no memory", retry=True),
        JobResult(state=JobState.INFEASIBLE, binding=Constraint.DEADLINE, detail="nothing better fits"),
        JobResult(state=JobState.DONE, detail="nothing better was found"),
    ],
    ids=lambda each: each.detail,
)
def test_a_refine_that_comes_to_nothing_touches_only_its_own_row(world: World, result: JobResult) -> None:
    world.jobs.answers = lambda job: result if isinstance(job.work, Refine) else None
    world.ask(SetModel("watch@1", refine_s=8.0))
    camera = world.add_device(profile("camera", "deadline: 6 ms"))
    world.roll_out()
    world.until(lambda: camera.running is not None)
    (prune,), variants, running = of_kind(world, Prune), world.variants(), camera.running
    world.run(120)
    assert (refine(world).state, refine(world).detail) == (result.state, result.detail)
    assert world.jobs.started.count(refine(world).key) == (3 if result.retry else 1)
    assert (of_kind(world, Prune), world.variants(), camera.running) == ([prune], variants, running)
    placed = world.placement("camera")
    assert placed is not None
    assert (placed.feasible, placed.sha256, len(world.assignments("camera"))) == (True, running, 1)


# --- it makes way -----------------------------------------------------------------------------------------------------


def test_a_refine_makes_way_for_an_incident_and_goes_on_when_that_is_over(world: World) -> None:
    world.ask(SetModel("watch@1", refine_s=BUDGET_S))
    camera = world.add_device(profile("camera", "deadline: 13 ms"))
    tag = world.add_device(profile("tag", "deadline: 6 ms"))
    world.roll_out()
    world.until(lambda: tag.running is not None)
    first, (prune,) = refine(world), of_kind(world, Prune)
    assert (tag.running, first.state) == (prune.sha256, JobState.RUNNING), "it was not held back to be made better"
    tag.slowness = 1.8
    world.until(lambda: world.job(first.id).state is JobState.STOPPING, 90)
    assert world.jobs.started[-1] != first.key, "what is urgent has begun already"
    world.until(lambda: not refining(world) and world.job(first.id).state is JobState.QUEUED, 2)
    assert world.job(first.id).detail == "stopped as something else was to do; goes on later"
    world.until(lambda: world.incidents("tag")[0].closed_unix_s is not None)
    assert world.incidents("tag")[0].state is IncidentState.REPAIRED
    assert world.job(first.id).state is not JobState.DONE, "it did not wait for it"
    world.until(lambda: at_rest(world))
    done = world.job(first.id)
    assert (done.state, done.attempts) == (JobState.DONE, 1)
    assert len(of_kind(world, Refine)) == 2, "the other prune's variant is made better too"
    assert camera.running is not None


@pytest.mark.parametrize(
    "work", [lambda at: Prune(Caps(latency_s=0.006 + at / 1e3)), lambda at: Ladder(3 + at)], ids=["prune", "ladder"]
)
def test_a_refine_makes_way_for_whatever_an_operator_asks_for_as_often_as_that_is(
    world: World, work: Callable[[int], Prune | Ladder]
) -> None:
    job = under_way(world)
    for at in range(4):
        other = world.ask(AskJob("watch@1", work(at)))
        world.until(lambda: world.job(other).state is JobState.DONE, 30)  # noqa: B023
        world.until(lambda: refining(world), 5)
    world.until(lambda: at_rest(world))
    assert (world.job(job.id).state, world.job(job.id).attempts) == (JobState.DONE, 1)
    assert world.jobs.started.count(job.key) == 5


def test_it_ends_by_itself_while_it_is_being_stopped(world: World) -> None:
    job = under_way(world)
    world.ask(OTHER)
    assert world.job(job.id).state is JobState.STOPPING
    world.jobs.running[job.id] = (world.now_s, job)
    world.run(0.5)
    done = world.job(job.id)
    assert done.state is JobState.DONE
    assert done.sha256 in {each.sha256 for each in world.variants()}
    world.until(lambda: at_rest(world))
    assert world.jobs.started == [TIGHT.key, job.key, LOOSE.key]


def test_it_fails_for_good_while_it_is_being_stopped(world: World) -> None:
    job = under_way(world)
    world.ask(OTHER)
    world.jobs.running[job.id] = (world.now_s, job)
    world.jobs.answers = lambda each: JobResult(state=JobState.FAILED, detail="bad") if each.id == job.id else None
    world.until(lambda: at_rest(world))
    assert (world.job(job.id).state, world.job(job.id).detail) == (JobState.FAILED, "bad")


@pytest.mark.parametrize("stopping", [False, True])
def test_a_controller_that_dies_while_it_runs_or_is_being_stopped_goes_on_with_it(world: World, stopping: bool) -> None:
    job = under_way(world)
    other = world.ask(OTHER) if stopping else None
    assert world.job(job.id).state is (JobState.STOPPING if stopping else JobState.RUNNING)
    world.kill_controller()
    world.run(3)
    world.restart_controller()
    assert (world.job(job.id).state, world.job(job.id).attempts) == (JobState.QUEUED, 0)
    world.until(lambda: at_rest(world))
    assert (world.job(job.id).state, world.job(job.id).attempts) == (JobState.DONE, 1)
    assert other is None or world.job(other).state is JobState.DONE


@pytest.mark.parametrize("die", [fail_at_action, fail_at_send])
def test_a_controller_that_dies_at_any_single_deed_gets_there_too(
    tmp_path: Path, die: Callable[[World, int], None]
) -> None:
    """The prune, its refine, the stop, what it was stopped for, and the refine once more."""
    for number in range(1, 100):
        world, died = made(tmp_path / str(number)), False
        die(world, number)
        for intent in (asked(budget_s=20.0), OTHER):
            try:
                world.ask(intent)
                world.run(6)
            except Killed:
                died = True
                world.kill_controller()
                world.restart_controller()
                world.ask(intent)
                world.run(6)
        world.until(lambda: at_rest(world))  # noqa: B023
        with world.store.read() as tx:
            assert {(each.state, each.attempts) for each in tx.jobs()} == {(JobState.DONE, 1)}
        assert refine(world).caps == TIGHT
        world.store.close()
        if not died:
            break
    assert number > 4, "three are started, one is stopped, one goes on"


# --- it makes better --------------------------------------------------------------------------------------------------


def test_the_better_variant_is_offered_once_the_rollout_is_over(world: World) -> None:
    world.ask(SetModel("watch@1", refine_s=BUDGET_S))
    camera = world.add_device(profile("camera", "deadline: 6 ms"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    ended, first = world.rollout(rollout), camera.running
    assert refining(world), "the rollout did not wait for it"
    world.until(lambda: camera.running not in (None, first))
    assert camera.running == refine(world).sha256
    assert refine(world).state is JobState.DONE
    world.run(60)
    old, better = ran(world, "camera")
    assert (better.accuracy or 0) > (old.accuracy or 0)
    assert world.rollout(ended.id) == ended, "no wave was opened again"
    placed = world.placement("camera")
    assert placed is not None
    assert placed.offered


def test_what_it_makes_before_its_end_is_of_use_whatever_becomes_of_it(world: World) -> None:
    """As a ladder's rung is; here it is the standing variant that it names again at its end."""
    job = under_way(world)
    (prune,) = of_kind(world, Prune)
    before = world.variants()
    (standing,) = [each for each in before if each.sha256 == prune.sha256]
    same = JobResult(state=JobState.DONE, variant=standing, detail="nothing better was found")
    world.jobs.answers = lambda each: same if each.id == job.id else None
    world.until(lambda: at_rest(world))
    assert world.job(job.id).sha256 == prune.sha256
    assert world.variants() == before, "nor does it look as if it was made anew"


# --- more budget ------------------------------------------------------------------------------------------------------


def test_a_prune_that_is_done_is_refined_as_soon_as_it_is_asked_for(world: World) -> None:
    world.ask(PRUNE)
    world.until(lambda: at_rest(world))
    prune = world.ask(REFINED)
    assert refine(world).state is JobState.RUNNING
    assert (refine(world).id, budget_s(world)) == (refine_of("watch@1", Prune(TIGHT)), BUDGET_S)
    assert world.job(prune).state is JobState.DONE
    world.until(lambda: at_rest(world))
    done, started = refine(world), len(world.jobs.started)
    for same in (PRUNE, REFINED, asked(budget_s=1.0), asked(budget_s=0.0)):
        assert world.ask(same) == prune
    world.run(10)
    assert (refine(world), len(world.jobs.started)) == (done, started)


def test_with_a_larger_budget_it_goes_on(world: World) -> None:
    world.ask(REFINED)
    world.until(lambda: at_rest(world))
    world.ask(asked(budget_s=BUDGET_S + 20))
    assert budget_s(world) == BUDGET_S + 20
    began = world.now_s
    world.until(lambda: at_rest(world))
    assert world.now_s - began == pytest.approx(20, abs=1)
    assert refine(world).state is JobState.DONE


@pytest.mark.parametrize("stopping", [False, True])
def test_a_budget_that_grows_while_it_runs_counts_from_its_end(world: World, stopping: bool) -> None:
    job = under_way(world)
    if stopping:
        world.ask(OTHER)
    assert refine(world).state in AT_WORK
    world.ask(asked(budget_s=BUDGET_S + 20))
    assert budget_s(world) == BUDGET_S, "as its process was told"
    world.until(lambda: at_rest(world))
    assert (budget_s(world), refine(world).state) == (BUDGET_S + 20, JobState.DONE)
    assert world.jobs.started.count(job.key) == 2


def test_a_prune_that_runs_takes_the_budget_along(world: World) -> None:
    prune = world.ask(PRUNE)
    assert world.job(prune).state is JobState.RUNNING
    assert world.ask(REFINED) == prune
    assert of_kind(world, Refine) == []
    world.until(lambda: at_rest(world))
    assert budget_s(world) == BUDGET_S


def test_one_that_failed_for_good_is_begun_anew_only_again(world: World) -> None:
    bad = JobResult(state=JobState.FAILED, detail="bad")
    world.jobs.answers = lambda job: bad if isinstance(job.work, Refine) else None
    job = under_way_or_failed(world)
    world.ask(REFINED)
    assert world.job(job).state is JobState.FAILED
    world.jobs.answers = lambda _job: None
    world.ask(replace(REFINED, again=True))
    world.until(lambda: world.job(job).state is JobState.DONE)


def under_way_or_failed(world: World) -> str:
    world.ask(PRUNE)
    world.until(lambda: at_rest(world))
    world.ask(REFINED)
    world.until(lambda: at_rest(world))
    return refine(world).id


def test_what_may_no_longer_ship_is_made_and_refined_on_the_new_terms(world: World) -> None:
    world.ask(REFINED)
    world.until(lambda: at_rest(world))
    world.ask(SetModel("watch@1", accuracy_floor=0.94))
    assert refine(world).state is JobState.QUEUED
    world.until(lambda: at_rest(world))
    assert world.jobs.started == [TIGHT.key, refine(world).key] * 2
