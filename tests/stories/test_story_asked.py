"""What an operator asks for by hand: prunes, ladders, sparsity reports. Asked twice, killed, refused, failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.intents import AskJob, IntentError
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import JobState
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.work import Ladder, Prune, Unstructured
from controller.core.policy import Policy
from controller.pruning.job import JobResult
from tests.stories.test_story_restart import cannot_write
from tests.stories.world import World, profile

TIGHT = Caps(latency_s=0.004)
PRUNE = AskJob("watch@1", Prune(TIGHT))
LADDER = AskJob("watch@1", Ladder(4))
REPORT = AskJob("watch@1", Unstructured(0.8))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, Policy(retry_s=5, attempts=3))
    world.jobs.seconds = 4.0
    world.add_model()
    world.jobs.started.clear()
    return world


def ended(world: World, job: str) -> bool:
    return world.job(job).state not in (JobState.QUEUED, JobState.RUNNING)


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (replace(PRUNE, model="nobody@1"), 404, "not known"),
        (replace(PRUNE, work=Prune(Caps())), 400, "needs a cap"),
        (replace(PRUNE, work=Prune(Caps(ram_bytes=-1))), 400, "above 0"),
        (replace(PRUNE, work=Prune(Caps(latency_s=0.0, ram_bytes=5))), 400, "above 0"),
        (replace(PRUNE, work=Prune(Caps(latency_s=float("nan")))), 400, "above 0"),
        (replace(LADDER, work=Ladder(0)), 400, "1 to 32"),
        (replace(LADDER, work=Ladder(33)), 400, "1 to 32"),
        (replace(REPORT, work=Unstructured(1.0)), 400, "below 1"),
        (replace(REPORT, work=Unstructured(-0.1)), 400, "above 0"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_queued(world: World, asked: AskJob, status: int, words: str) -> None:
    with pytest.raises(IntentError, match=words) as refused:
        world.ask(asked)
    assert refused.value.status == status
    world.run(2)
    assert world.jobs.started == []


def test_a_model_that_is_not_measured_yet_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, Policy())
    world.jobs.answers = lambda job: JobResult(state=JobState.FAILED, detail="no such layer")
    with pytest.raises(AssertionError):
        world.add_model()
    with pytest.raises(IntentError, match="not measured yet") as refused:
        world.ask(PRUNE)
    assert refused.value.status == 409


@pytest.mark.parametrize("asked", [PRUNE, LADDER, REPORT], ids=lambda each: each.work.kind)
def test_asked_twice_is_one_job_before_and_after_its_end(world: World, asked: AskJob) -> None:
    job = world.ask(asked)
    assert world.ask(asked) == job
    world.until(lambda: ended(world, job))
    found = world.job(job)
    assert found.state is JobState.DONE
    assert world.ask(replace(asked, again=True)) == job
    world.run(20)
    assert world.job(job) == found
    assert len(world.jobs.started) == 1


def test_what_was_pruned_by_hand_is_in_the_catalog_and_inside_its_caps(world: World) -> None:
    job = world.ask(PRUNE)
    world.until(lambda: ended(world, job))
    with world.store.read() as tx:
        variant = tx.get_variant("watch@1", world.job(job).sha256 or "")
    assert variant is not None
    assert variant.latency_p95_s <= 0.004


def test_infeasible_caps_have_their_answer_and_add_nothing(world: World) -> None:
    caps = Caps(latency_s=1e-6)
    asked = replace(PRUNE, work=Prune(caps))
    job = world.ask(asked)
    world.until(lambda: ended(world, job))
    assert world.job(job).state is JobState.INFEASIBLE
    assert world.job(job).work == Prune(caps, binding=Constraint.DEADLINE)
    assert [each.dense for each in world.variants()] == [True]
    assert world.ask(asked) == job
    assert ended(world, job)
    assert world.ask(replace(asked, again=True)) == job
    assert not ended(world, job)


@pytest.mark.parametrize(("latency_s", "runs"), [(0.0013, False), (0.006, True)])
def test_what_was_infeasible_runs_again_where_a_ladder_has_made_what_is_inside(
    world: World, latency_s: float, runs: bool
) -> None:
    world.jobs.answers = lambda job: JobResult(state=JobState.INFEASIBLE) if isinstance(job.work, Prune) else None
    asked = replace(PRUNE, work=Prune(Caps(latency_s=latency_s)))
    job = world.ask(asked)
    world.until(lambda: ended(world, job))
    world.jobs.answers = lambda job: None
    ladder = world.ask(LADDER)
    world.until(lambda: ended(world, ladder))
    assert world.ask(asked) == job
    assert ended(world, job) is not runs


def test_what_fails_for_good_runs_again_only_when_told_so(world: World) -> None:
    world.jobs.answers = lambda job: JobResult(state=JobState.FAILED, detail="factory: no such layer")
    job = world.ask(PRUNE)
    world.until(lambda: ended(world, job))
    world.run(60)
    assert world.ask(PRUNE) == job
    world.run(2)
    assert (world.job(job).state, len(world.jobs.started)) == (JobState.FAILED, 1)
    world.jobs.answers = lambda job: None
    assert world.ask(replace(PRUNE, again=True)) == job
    world.until(lambda: world.job(job).state is JobState.DONE)


def test_a_failure_that_may_pass_is_tried_again_by_itself_and_not_for_ever(world: World) -> None:
    world.jobs.answers = lambda job: JobResult(state=JobState.FAILED, detail="killed by signal 9", retry=True)
    job = world.ask(PRUNE)
    world.run(120)
    assert (world.job(job).state, len(world.jobs.started)) == (JobState.FAILED, 3)


def test_a_device_whose_prune_fails_for_good_is_refused_at_once(world: World) -> None:
    world.add_device(profile("cam", "deadline: 6 ms"))
    world.jobs.answers = lambda job: JobResult(state=JobState.FAILED, detail="factory: no such layer")
    world.roll_out()
    world.run(30)
    placement = world.placement("cam")
    assert placement is not None
    assert (placement.feasible, placement.waiting_for) == (False, None)
    assert placement.reason == "pruning failed: factory: no such layer"
    assert len(world.jobs.started) == 1


def test_a_ladder_that_the_controllers_death_interrupts_goes_on_from_its_rungs(world: World) -> None:
    job = world.ask(LADDER)
    world.until(lambda: len(world.variants()) == 3)
    made = world.variants()
    world.kill_controller()
    world.run(60)
    world.restart_controller()
    assert world.variants() == made, "what was announced is stored"
    assert world.job(job).state is JobState.QUEUED
    world.until(lambda: ended(world, job), limit_s=2.5 * world.jobs.seconds)
    assert world.job(job).state is JobState.DONE
    assert len(world.variants()) == 5
    assert world.variants()[:3] == made, "and is not made again"


def test_a_rung_is_not_forgotten_while_the_database_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.ask(LADDER)
    world.until(lambda: world.job(job).state is JobState.RUNNING)
    with monkeypatch.context() as full:
        full.setattr(world.store, "begin", cannot_write)
        world.run(2.5 * world.jobs.seconds)
    world.run(1)
    assert len(world.variants()) == 3


def test_a_rung_serves_devices_before_the_ladder_is_done(world: World) -> None:
    job = world.ask(replace(LADDER, work=Ladder(9)))
    world.until(lambda: len(world.variants()) == 3)
    rung = world.variants()[-1]
    cam = world.add_device(profile("cam", f"deadline: {rung.latency_p95_s * 1e3 * 1.1} ms"))
    world.roll_out()
    world.until(lambda: cam.running == rung.sha256, limit_s=10)
    assert not ended(world, job)
    assert world.jobs.started == ["ladder rungs=9"]


def test_an_incidents_prune_does_not_wait_behind_a_ladder(world: World) -> None:
    job = world.ask(replace(LADDER, work=Ladder(20)))
    world.run(1)
    cam = world.add_device(profile("cam", "deadline: 6 ms"))
    world.roll_out()
    world.until(lambda: cam.running is not None, limit_s=20)
    assert world.job(job).state is JobState.RUNNING
    assert len(world.jobs.started) == 2


def test_a_report_is_an_answer_and_nothing_to_run(world: World) -> None:
    side = SparseSide(
        zeros_share=0.0, size_bytes=9, transfer_bytes=8, latency_p50_s=0.1, latency_p95_s=0.2, ram_bytes=7
    )
    report = SparsityReport(share=0.8, dense=side, sparse=replace(side, zeros_share=0.8, transfer_bytes=3))
    world.jobs.answers = lambda job: JobResult(state=JobState.DONE, report=report)
    job = world.ask(REPORT)
    world.until(lambda: ended(world, job))
    assert world.job(job).work == Unstructured(0.8, report)
    assert len(world.variants()) == 1
