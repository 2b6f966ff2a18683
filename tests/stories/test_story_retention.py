"""What is old goes, and nobody misses it: windows are rolled up first, and memory has what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.intents import AskBulk
from controller.core.nouns.bulk import Bulk, BulkFailure, BulkKind, BulkState
from controller.core.nouns.desired import Desired
from controller.core.nouns.incident import BreachKind, Incident, IncidentState
from controller.core.nouns.job import JobState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import DAY_S, Policy
from controller.core.retention import Retention
from controller.loop import expiry
from controller.loop.bulks import BulkWorker
from controller.store.tx import Tx
from tests.stories.world import World, profile

POLICY = Policy(soak_s=2, retry_s=5, resend_s=5)


def served(tmp_path: Path, **retention: float) -> World:
    world = World(tmp_path, POLICY)
    world.kill_controller()
    world.retention = Retention(**retention)  # type: ignore[arg-type]
    world.restart_controller()
    world.add_model()
    for name in ("cam", "lost"):
        world.add_device(profile(name, "deadline: 200 ms"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    world.run(30)
    return world


def silent(world: World, days: float) -> None:
    for device in world.devices.values():
        device.kill()
    world.run(days * DAY_S, step_s=600)


def parts(world: World) -> list[str]:
    return [each.name for each in world.store.telemetry.parts]


def in_hours(world: World, device: str) -> int:
    with world.store.read() as tx:
        return sum(each.windows for each in tx.rollups_between(device, None, None, 10_000))


def test_windows_go_by_age_once_they_are_rolled_up(tmp_path: Path) -> None:
    world = served(tmp_path, windows_s=2 * DAY_S)
    before = {device: world.windows(device) for device in world.devices}
    assert min(map(len, before.values())) > 10
    silent(world, 1)
    world.devices["cam"].restart(world.now_s)
    world.run(60)
    assert len(parts(world)) == 2
    silent(world, 1.5)
    assert [day[:7] for day in parts(world)] == ["2027-01"], "the newest part stays, however old"
    assert world.windows("lost") == []
    world.assert_memory_is_what_is_stored()
    world.run(1300)
    since = world.windows("cam")
    assert {boot for boot, _ in since} == {"cam-2"}
    assert in_hours(world, "lost") == len(before["lost"])
    assert in_hours(world, "cam") == len(before["cam"]) + len(since)
    world.kill_controller()
    world.restart_controller()
    assert world.windows("cam") == since
    for device in world.devices.values():
        device.restart(world.now_s)
    world.run(30)
    assert {boot for boot, _ in world.windows("lost")} == {"lost-2"}, "those of the first boot were known again"
    world.store.close()


def test_a_controller_that_is_restarted_every_few_minutes_lets_old_windows_go_all_the_same(tmp_path: Path) -> None:
    """More devices than one visit sees, so that each restart is amid a round; nobody is left out of it."""
    world = served(tmp_path, windows_s=2 * DAY_S)
    for at in range(10):
        world.add_device(profile(f"m{at:02}", "deadline: 200 ms"))
    world.until(lambda: all(len(world.windows(each)) > 5 for each in world.devices))
    before = {device: len(world.windows(device)) for device in world.devices}
    silent(world, 1)
    world.devices["m07"].restart(world.now_s)
    world.run(10)
    silent(world, 0.001)
    _, newest = parts(world)
    world.kill_controller()
    world.run(1.5 * DAY_S, step_s=600)
    for _ in range(12):
        world.restart_controller()
        world.run(120, step_s=10)
        world.kill_controller()
    world.restart_controller()
    assert parts(world) == [newest]
    assert {device: in_hours(world, device) for device in world.devices if device != "m07"} == {
        device: count for device, count in before.items() if device != "m07"
    }
    assert in_hours(world, "m07") == before["m07"] + len(world.windows("m07"))
    world.store.close()


def test_windows_go_by_size_the_oldest_first(tmp_path: Path) -> None:
    world = served(tmp_path, bytes=150_000)
    world.run(900)
    kept = world.windows("cam")
    assert len(parts(world)) > 2, "of one day, which alone would be too much"
    assert len(kept) < in_hours(world, "cam")
    assert [seq for _, seq in kept] == list(range(kept[0][1], kept[-1][1] + 1)), "the newest, without a gap"
    world.assert_memory_is_what_is_stored()
    world.store.close()


def test_facts_go_by_rules_of_their_own_and_what_is_in_use_stays(tmp_path: Path) -> None:
    world = served(tmp_path, events_s=DAY_S, incidents_s=DAY_S, jobs_s=DAY_S, assignments_s=DAY_S, rollups_s=9 * DAY_S)
    began_s = world.now_s
    (job,) = (each for each in world.daemon._fleet.jobs.values())
    assignments = world.assignments("cam")

    def incident(name: str, device: str, opened_days: float) -> Incident:
        unix_s, is_open = began_s - opened_days * DAY_S, name == "open"
        return Incident(
            id=name, device=device, kind=BreachKind.LATENCY, opened_unix_s=unix_s,
            state=IncidentState.OPEN if is_open else IncidentState.REPAIRED, closed_unix_s=None if is_open else unix_s,
        )  # fmt: skip

    def put(tx: Tx) -> None:
        for name, device, days in (("older", "cam", 9), ("last", "cam", 5), ("old", "lost", 9), ("open", "lost", 3)):
            tx.put_incident(incident(name, device, days))
        tx.put_job(replace(job, id="earlier", state=JobState.FAILED, created_unix_s=1.0, finished_unix_s=2.0))
        first = tx.latest_desired("cam")
        assert first is not None
        overtaken = Desired(
            device="cam", epoch=0, seq=1, model=first.model, sha256=first.sha256, rollout=None, incident=None,
            envelope=b"", issued_unix_s=1.0,
        )  # fmt: skip
        tx.put_desired(overtaken)
        tx.add_event("cam", "b", "ancient", "", 1.0)

    world.put(put)
    silent(world, 2)
    world.run(1300)
    with world.store.read() as tx:
        assert {"older", "last"} & {each.id for each in tx.incidents("cam")} == {"last"}
        assert {"old", "open"} & {each.id for each in tx.incidents("lost")} == {"open"}, "given up, but not so long ago"
        assert [each.id for each in tx.jobs()] == [job.id], "the newest is the answer to its key"
        assert "ancient" not in {each.kind for each in tx.events("cam")}
    assert world.assignments("cam") == assignments, "the newest one stays, however old"
    world.assert_memory_is_what_is_stored()
    world.store.close()


def test_requests_about_many_go_with_their_failures_but_one_that_runs_and_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_ROWS", 2)  # of which each has five failures
    monkeypatch.setattr(BulkWorker, "work", lambda *_: None)  # one that runs takes its time
    world = World(tmp_path, POLICY)
    world.kill_controller()
    world.retention = Retention(bulks_s=5 * DAY_S)
    world.restart_controller()

    def bulk(number: int, state: BulkState, ended_days: float | None, asked_days: float = 9.0) -> Bulk:
        unix_s = None if ended_days is None else world.now_s - ended_days * DAY_S
        return Bulk(
            id=f"b{number}", token=f"t{number}", kind=BulkKind.ACCEPT, state=state, total=9, failed=5,
            asked_unix_s=world.now_s - asked_days * DAY_S, finished_unix_s=unix_s,
        )  # fmt: skip

    asked = [
        bulk(1, BulkState.DONE, 6), bulk(2, BulkState.DONE, 4), bulk(3, BulkState.RUNNING, None),
        bulk(4, BulkState.UPLOADING, None), bulk(5, BulkState.UPLOADING, None, asked_days=1),
        bulk(6, BulkState.DONE, 6),
    ]  # fmt: skip

    def put(tx: Tx) -> None:
        tx.put_bulks(asked)
        tx.put_bulk_items((each.id, 0, ["cam"] * 9) for each in asked if each.finished_unix_s is None)
        tx.add_bulk_failures(BulkFailure(each.id, at, "cam", "no") for each in asked for at in range(5))

    world.put(put)
    world.run(120)
    with world.store.read() as tx:
        assert {each.id for each in tx.bulks()} == {"b2", "b3", "b5", "b6"}
        assert [tx.count_bulk_failures(each.id) for each in asked] == [0, 5, 5, 0, 5, 5]
        assert [bool(tx.bulk_items(each.id, 0)[1]) for each in asked] == [False, False, True, False, True, False]
    world.assert_memory_is_what_is_stored()
    assert world.ask(AskBulk(BulkKind.ACCEPT, "t1", "")) == "b7", "the word of one that is gone is new again"
    assert world.ask(AskBulk(BulkKind.ACCEPT, "t6", None)) == "b6"
    world.store.close()


def test_a_controller_that_is_killed_again_and_again_counts_each_window_once(tmp_path: Path) -> None:
    world = served(tmp_path)
    for _ in range(5):
        world.run(130)
        world.kill_controller()
        world.restart_controller()
    silent(world, 0.1)
    for device in world.devices:
        assert in_hours(world, device) == len(world.windows(device)) > 300
    world.store.close()
