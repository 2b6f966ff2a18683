"""Single decisions: a state, an event, and what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import msgspec
import pytest
from fleet import artifact, assignment, manifest_body, sha256

from agent.record import Outcome, Record, Slot, without_blocks
from agent.sensed import Sensed
from agent.step import Effect, Setup, State, effects, events, step
from agent.step.alive import IDLE_S
from agent.step.drain import ASKED, SWAPPING_S, retire
from agent.step.heard import Envelope, understand
from agent.step.state import Turn
from agent.step.telemetry import BATTERY_S, LOW_BATTERY_S
from agent.wire.errors import Failure, WireError
from agent.wire.messages import Ack, Assignment, Event, Phase, Reported, Result, Status, Trial, encode
from agent.wire.topics import BlobTopic, Leaf, topic
from agent.wire.work import WindowLine
from agent.worker.http import CONNECTIONS

A, B = artifact(1), artifact(2)
SETUP = Setup(
    device="dev-1",
    boot="b1",
    agent_version="0",
    architecture="x",
    runtimes=("onnxruntime",),
    profile="device: dev-1",
    power_idle_watts=1.0,
    power_busy_watts=3.0,
)
PASSED = Trial(sha256=sha256(A), passed=True)
E = TypeVar("E")


def slot(data: bytes, seq: int, *, confirmed: bool = True, **changes: object) -> Slot:
    return Slot(assignment=without_blocks(assignment(data, seq, **changes)), confirmed=confirmed)


def record(active: Slot, previous: Slot | None = None, **changes: object) -> Record:
    fields = {"latest": active.assignment, "outcome": Outcome(result=Result.SUCCEEDED), **changes}
    return Record(active=active, previous=previous, **fields)  # type: ignore[arg-type]


def booted(remembered: Record) -> State:
    return step(State(setup=SETUP, record=remembered), events.Started(now_s=0.0)).state


def serving(remembered: Record) -> State:
    state = booted(remembered)
    assert state.active is not None
    return step(state, events.TrialDone(now_s=0.0, worker=state.active.id, trial=PASSED)).state


def only(kind: type[E], done: tuple[Effect, ...]) -> list[E]:
    return [each for each in done if isinstance(each, kind)]


def reports(turn: Turn) -> list[Reported]:
    return [each.message for each in only(effects.Publish, turn.effects) if isinstance(each.message, Reported)]


def desired(state: State, wanted: Assignment, wall_unix_s: float = 0.0) -> Turn:
    return step(state, events.DesiredArrived(now_s=1.0, assignment=wanted, wall_unix_s=wall_unix_s))


def with_manifest(state: State, data: bytes) -> State:
    """The manifest of `data` was kept already."""
    body = manifest_body(data)
    return step(state, events.ManifestFound(now_s=0.0, sha256=sha256(body), body=body)).state


def prepared(state: State, data: bytes, *missing: int, now_s: float = 1.0) -> Turn:
    """The manifest is there, and all of the artifact but what is missing."""
    found = events.Prepared(now_s=now_s, sha256=sha256(data), whole=not missing, missing=frozenset(missing))
    return step(with_manifest(state, data), found)


def window(
    state: State, rss_bytes: int = 1000, sensed: Sensed | None = None, now_s: float = 5.0, worker: int | None = None
) -> Turn:
    line = WindowLine(duration_s=10.0, count=5, errors=0, busy_s=2.5, rss_bytes=rss_bytes, ram_peak_bytes=rss_bytes)
    if worker is None:
        worker = state.active.id if state.active else 0
    return step(state, events.WindowClosed(now_s=now_s, worker=worker, line=line, sensed=sensed or Sensed()))


# --- starting --------------------------------------------------------------------------------------------------------


def test_a_restart_counts_itself_before_it_starts_the_worker() -> None:
    turn = step(State(setup=SETUP, record=record(slot(A, 1))), events.Started(now_s=0.0))
    kinds = [type(each) for each in turn.effects if not isinstance(each, effects.Note)]
    assert kinds == [effects.SaveRecord, effects.StartWorker]
    assert turn.state.record.starts == 1
    assert not only(effects.StartWorker, turn.effects)[0].judged


def test_two_starts_that_nothing_confirmed_go_back_to_the_previous_slot() -> None:
    fresh = slot(B, 2, confirmed=False)
    turn = step(State(setup=SETUP, record=record(fresh, slot(A, 1), starts=2)), events.Started(now_s=0.0))
    assert only(effects.StartWorker, turn.effects)[0].assignment.sha256 == sha256(A)
    assert turn.state.record.outcome is not None
    assert turn.state.record.outcome.result is Result.FAILED_ROLLED_BACK
    assert turn.state.record.previous is None


def test_power_cuts_do_not_take_back_a_slot_that_has_served() -> None:
    state = booted(record(slot(B, 2), slot(A, 1), starts=2))
    assert state.active is not None
    assert state.active.sha256 == sha256(B)


def test_two_trials_that_took_the_device_down_are_enough() -> None:
    pending = Record(latest=assignment(A, 1), trials=2)
    state = booted(pending)
    turn = prepared(state, A)
    assert turn.state.record.outcome is not None
    assert turn.state.record.outcome.failure is Failure.CRASHED
    assert not only(effects.StartWorker, turn.effects)


def test_a_clean_stop_does_not_count_as_a_failed_start() -> None:
    state = booted(record(slot(A, 1, confirmed=False), starts=1))
    assert state.record.starts == 2
    turn = step(state, events.Stopping(now_s=1.0))
    assert only(effects.SaveRecord, turn.effects)[0].record.starts == 1
    assert only(effects.StopWorker, turn.effects)


def test_a_record_of_another_device_is_not_begun_from() -> None:
    """The windows go before the record that tells whose they are; it is served by nothing, and told in one line."""
    other = msgspec.structs.replace(assignment(A, 9), device="cam-07")
    copied = record(Slot(assignment=without_blocks(other), confirmed=True))
    turn = step(State(setup=SETUP, record=copied), events.Started(now_s=0.0))
    assert turn.state.record == Record()
    kinds = [type(each) for each in turn.effects if not isinstance(each, effects.Note)]
    assert kinds == [effects.ForgetWindows, effects.SaveRecord]
    notes = {each.what: each.fields for each in only(effects.Note, turn.effects)}
    assert notes["state_of_another_device"] == {"was": "cam-07", "mark": (1, 9)}
    taken = desired(turn.state, assignment(A, 1))
    assert taken.state.record.mark == (1, 1), "the mark was the other device's"


def test_what_is_pending_of_another_device_is_not_gone_on_with() -> None:
    other = msgspec.structs.replace(assignment(A, 9), device="cam-07")
    turn = step(State(setup=SETUP, record=Record(latest=other)), events.Started(now_s=0.0))
    assert not only(effects.FindManifest, turn.effects)


def test_a_record_without_an_assignment_is_anybodys() -> None:
    turn = step(State(setup=SETUP, record=Record()), events.Started(now_s=0.0))
    assert not only(effects.SaveRecord, turn.effects)


# --- accepting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "../../etc/passwd"},
        {"manifest": "../../etc/passwd"},
        {"manifest": ""},
        {"manifest_bytes": 0},
        {"manifest_bytes": 10**9},
        {"size_bytes": 0},
    ],
)
def test_a_signed_assignment_is_still_not_believed_everything(changes: dict[str, object]) -> None:
    turn = desired(booted(Record()), assignment(A, 1, **changes))
    assert reports(turn)[0].failure is Failure.BAD_DIGEST
    assert not only(effects.FindManifest, turn.effects)
    assert turn.state.record.latest is None


def test_what_is_above_the_declared_storage_is_rejected_until_more_is_declared() -> None:
    wanted = assignment(A, 1)
    small = replace(booted(Record()), setup=replace(SETUP, storage_bytes=wanted.size_bytes - 1))
    turn = desired(small, wanted)
    assert (reports(turn)[0].failure, reports(turn)[0].result) == (Failure.NO_SPACE, Result.REJECTED)
    assert not only(effects.FindManifest, turn.effects)
    enough = replace(turn.state, setup=replace(SETUP, storage_bytes=wanted.size_bytes))
    assert only(effects.FindManifest, desired(enough, wanted).effects)


def test_what_was_signed_is_a_floor_for_the_clock() -> None:
    state = replace(booted(Record(trusted_unix_s=2000.0)), link_up=True)
    turn = desired(state, assignment(A, 1, expires_unix_s=1999.0), wall_unix_s=5.0)
    assert reports(turn)[0].failure is Failure.EXPIRED
    taken = desired(state, assignment(A, 1, issued_unix_s=3000.0, expires_unix_s=3001.0), wall_unix_s=5.0)
    assert taken.state.record.trusted_unix_s == 3000.0


def test_another_device_s_assignment_is_refused() -> None:
    turn = desired(replace(booted(Record()), link_up=True), assignment(A, 1, device="dev-2"))
    notice = only(effects.Publish, turn.effects)[0].message
    assert isinstance(notice, Event)
    assert notice.message.startswith("wrong_device")
    assert turn.state.record == Record()


def test_a_new_controller_epoch_is_above_any_seq() -> None:
    turn = desired(serving(record(slot(A, 900))), assignment(B, 1, epoch=2))
    assert turn.state.record.mark == (2, 1)


def test_a_newer_assignment_ends_the_trial_of_the_older() -> None:
    state = desired(booted(Record()), assignment(A, 1)).state
    state = prepared(state, A).state
    assert state.phase is Phase.TRIAL
    turn = desired(state, assignment(B, 2))
    assert only(effects.StopWorker, turn.effects)
    assert turn.state.phase is Phase.DOWNLOADING


@pytest.mark.parametrize("changes", [{"rate_hz": 9.0}, {"model": "m@2"}])
def test_another_rate_or_name_for_what_runs_needs_a_new_worker(changes: dict[str, object]) -> None:
    turn = desired(serving(record(slot(A, 1))), assignment(A, 2, **changes))
    assert only(effects.FindManifest, turn.effects)
    state = prepared(turn.state, A).state
    assert state.candidate is not None
    done = step(state, events.TrialDone(now_s=2.0, worker=state.candidate.id, trial=PASSED))
    assert done.state.record.previous is None
    assert done.state.record.active is not None
    assert done.state.record.active.assignment == without_blocks(assignment(A, 2, **changes))


# --- downloading -----------------------------------------------------------------------------------------------------


def test_blocks_are_asked_for_again_less_and_less_often() -> None:
    state = replace(desired(booted(Record()), assignment(A, 1)).state, link_up=True)
    state = prepared(state, A, 0, 1, now_s=0.0).state
    asked = []
    for tick in range(1, 200):
        turn = step(state, events.Tick(now_s=tick * 0.5))
        state = turn.state
        asked += [tick * 0.5 for each in only(effects.Publish, turn.effects) if each.leaf is Leaf.NEED]
    assert asked == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0]


def test_blocks_of_what_nobody_wants_are_unsubscribed() -> None:
    state = replace(serving(record(slot(A, 1))), link_up=True)
    turn = step(state, events.BlockArrived(now_s=1.0, sha256=sha256(B), block=0, data=b""))
    assert len(only(effects.Unsubscribe, turn.effects)) == 1


def test_a_medium_that_fills_up_changes_nothing() -> None:
    state = desired(serving(record(slot(A, 1))), assignment(B, 2)).state
    state = prepared(state, B, 0).state
    turn = step(state, events.Downloaded(now_s=1.0, sha256=sha256(B), failure=Failure.NO_SPACE, detail="full"))
    assert turn.state.record.outcome == Outcome(result=Result.FAILED_NO_CHANGE, failure=Failure.NO_SPACE, reason="full")
    assert turn.state.active is not None
    assert turn.state.phase is Phase.ACTIVE


# --- serving ---------------------------------------------------------------------------------------------------------


def test_deaths_wait_longer_and_longer_and_then_go_back() -> None:
    state = serving(record(slot(B, 2), slot(A, 1)))
    waits = []
    for _ in range(2):
        assert state.active is not None
        state = step(state, events.WorkerDied(now_s=0.0, worker=state.active.id, detail="exit 1")).state
        assert state.restart_at_s is not None
        waits.append(state.restart_at_s)
        state = step(state, events.Tick(now_s=state.restart_at_s)).state
        state = replace(state, active=replace(state.active, since_s=0.0)) if state.active else state
    assert waits == [1.0, 2.0]
    assert state.active is not None
    state = step(state, events.WorkerDied(now_s=0.0, worker=state.active.id)).state
    assert state.record.active is not None
    assert state.record.active.sha256 == sha256(A)


def test_a_death_after_a_long_life_is_the_first_again() -> None:
    state = replace(serving(record(slot(B, 2), slot(A, 1))), deaths=2)
    assert state.active is not None
    state = step(state, events.WorkerDied(now_s=100.0, worker=state.active.id)).state
    assert state.deaths == 1
    assert state.restart_at_s == 101.0


def dies_every(state: State, seconds: float, times: int) -> Turn:
    """Its worker serves for so long and dies, again and again."""
    now_s, turn = 0.0, Turn(state)
    for _ in range(times):
        assert turn.state.active is not None
        now_s += seconds
        turn = step(turn.state, events.WorkerDied(now_s=now_s, worker=turn.state.active.id, detail="signal 9"))
        if turn.state.restart_at_s is not None:
            now_s = turn.state.restart_at_s
            state = step(turn.state, events.Tick(now_s=now_s)).state
            assert state.active is not None
            again = step(state, events.TrialDone(now_s=now_s, worker=state.active.id, trial=PASSED))
            turn = Turn(again.state, turn.effects)
    return turn


def test_one_that_dies_of_a_leak_again_and_again_goes_back() -> None:
    state = serving(record(slot(B, 2), slot(A, 1)))
    still = dies_every(state, 700.0, 4).state
    assert (still.record.active, still.deaths) == (state.record.active, 1)
    back = dies_every(state, 700.0, 5).state
    assert back.record.active is not None
    assert (back.record.active.sha256, back.died_s) == (sha256(A), ())
    assert back.record.outcome is not None
    assert back.record.outcome.result is Result.FAILED_ROLLED_BACK


def test_one_that_dies_now_and_then_stays() -> None:
    state = serving(record(slot(B, 2), slot(A, 1)))
    assert dies_every(state, 1000.0, 20).state.record.active == state.record.active


def test_a_leak_with_nothing_to_go_back_to_is_told() -> None:
    state = replace(serving(record(slot(A, 1))), link_up=True)
    assert reports(dies_every(state, 700.0, 5))[-1].result is Result.FAILED_STUCK


def test_with_nothing_to_go_back_to_it_says_so_once_keeps_trying_and_recovers() -> None:
    state = replace(serving(record(slot(A, 1))), deaths=2, link_up=True)
    assert state.active is not None
    turn = step(state, events.WorkerDied(now_s=1.0, worker=state.active.id))
    last = reports(turn)[-1]
    assert (last.result, last.sha256) == (Result.FAILED_STUCK, None)
    assert turn.state.restart_at_s is not None
    state = step(turn.state, events.Tick(now_s=turn.state.restart_at_s)).state
    assert state.active is not None
    state = step(state, events.TrialDone(now_s=9.0, worker=state.active.id, trial=PASSED)).state
    assert state.record.outcome is not None
    assert state.record.outcome.result is Result.SUCCEEDED


def test_a_wrong_answer_at_the_restart_counts_as_a_death() -> None:
    state = booted(record(slot(A, 1)))
    assert state.active is not None
    failed = Trial(sha256=sha256(A), passed=False, failure=Failure.GOLDEN, detail="off by 3")
    turn = step(state, events.TrialDone(now_s=1.0, worker=state.active.id, trial=failed))
    assert only(effects.StopWorker, turn.effects)
    assert turn.state.deaths == 1


def test_a_worker_that_says_nothing_is_ended() -> None:
    state = serving(record(slot(A, 1)))
    assert not only(effects.StopWorker, step(state, events.Tick(now_s=100.0)).effects)
    turn = step(state, events.Tick(now_s=200.0))
    assert only(effects.StopWorker, turn.effects)[0].at_once
    assert turn.state.restart_at_s is not None


def test_a_trial_without_a_verdict_fails() -> None:
    state = desired(serving(record(slot(A, 1))), assignment(B, 2)).state
    state = prepared(state, B).state
    alive = replace(state, active=replace(state.active, seen_s=400.0)) if state.active else state
    turn = step(alive, events.Tick(now_s=400.0))
    assert turn.state.record.outcome is not None
    assert turn.state.record.outcome.failure is Failure.CRASHED
    assert turn.state.active is not None


def test_a_slow_model_has_the_time_for_its_trial_its_start_and_each_inference_that_its_cap_allows() -> None:
    slow = {"latency_p95_ms": 60_000.0, "rate_hz": 1 / 60}
    state = desired(State(setup=SETUP), assignment(A, 1, **slow)).state
    state = prepared(state, A).state
    assert step(state, events.Tick(now_s=890.0)).state.candidate is not None
    late = step(state, events.Tick(now_s=910.0)).state.record.outcome
    assert late is not None
    assert late.reason == "no verdict in 900 s"
    starting = booted(record(slot(A, 1, **slow)))
    assert step(starting, events.Tick(now_s=890.0)).state.active is not None
    assert step(starting, events.Tick(now_s=910.0)).state.active is None
    served = serving(record(slot(A, 1, **slow)))
    assert step(served, events.Tick(now_s=170.0)).state.active is not None
    assert step(served, events.Tick(now_s=190.0)).state.active is None


def test_lines_of_workers_that_were_stopped_mean_nothing() -> None:
    state = serving(record(slot(A, 1)))
    for event in (
        events.WorkerDied(now_s=1.0, worker=99),
        events.TrialDone(now_s=1.0, worker=99, trial=PASSED),
        events.Downloaded(now_s=1.0, sha256=sha256(B)),
        events.Prepared(now_s=1.0, sha256=sha256(B), whole=True),
    ):
        assert step(state, event) == (state, ())


def test_who_is_replaced_may_answer_all_that_waits_and_its_last_window_counts() -> None:
    state = serving(record(slot(A, 1, latency_p95_ms=200.0)))
    old = state.active
    assert old is not None
    state = desired(state, assignment(B, 2)).state
    state = prepared(state, B).state
    assert state.candidate is not None
    committed = step(state, events.TrialDone(now_s=2.0, worker=state.candidate.id, trial=PASSED))
    assert only(effects.StopWorker, committed.effects) == [effects.StopWorker(old.id, within_s=6.4)]
    last = window(committed.state, worker=old.id, rss_bytes=10**12)
    spooled = only(effects.Spool, last.effects)[0].window
    assert (spooled.seq, spooled.sha256) == (1, sha256(A))
    assert last.state.record.active is not None
    assert not last.state.record.active.confirmed
    assert last.state.active == committed.state.active


def test_the_last_window_at_a_stop_is_taken_and_kept_as_the_goodbye_is_said() -> None:
    state = replace(serving(record(slot(A, 1))), link_up=True)
    worker = state.active
    assert worker is not None
    last = window(step(state, events.Stopping(now_s=1.0)).state, worker=worker.id)
    assert only(effects.Spool, last.effects)[0].window.sha256 == sha256(A)
    assert not only(effects.SendBatch, last.effects)
    assert last.state.active is None


@pytest.mark.parametrize(
    ("cap_ms", "swapping_s", "stopping_s"),
    [(None, 5.0, 5.0), (50.0, 5.0, 5.0), (1000.0, 32.0, 10.0), (9e9, 60.0, 10.0)],
)
def test_a_slow_model_has_more_time_to_answer(cap_ms: float | None, swapping_s: float, stopping_s: float) -> None:
    state = serving(record(slot(A, 1, latency_p95_ms=cap_ms)))
    stopped = only(effects.StopWorker, step(state, events.Stopping(now_s=1.0)).effects)
    assert [each.within_s for each in stopped] == [stopping_s]
    assert [each.within_s for each in only(effects.StopWorker, retire(state, SWAPPING_S).effects)] == [swapping_s]
    assert ASKED == CONNECTIONS


# --- telemetry and reports -------------------------------------------------------------------------------------------


def test_power_is_measured_or_modelled_or_unknown_and_says_which() -> None:
    def power(state: State, watts: float | None = None) -> tuple[float | None, str | None]:
        spooled = only(effects.Spool, window(state, sensed=Sensed(power_watts=watts)).effects)[0].window
        return spooled.power_watts, spooled.power_source

    state = serving(record(slot(A, 1)))
    assert power(state, 2.2) == (2.2, "measured")
    assert power(state) == (1.0 + 2.0 * 0.25, "modelled")
    package = window(state, sensed=Sensed(power_watts=2.2, power_package=True))
    assert only(effects.Spool, package.effects)[0].window.power_source == "package"
    calibrated = serving(record(slot(A, 1, power_idle_watts=2.0, power_busy_watts=6.0)))
    assert power(calibrated) == (3.0, "modelled")
    emulated = replace(state, setup=replace(SETUP, sensors_emulated=True))
    assert power(emulated, 2.2) == (2.2, "emulated")
    unknown = replace(state, setup=replace(SETUP, power_idle_watts=None))
    assert power(unknown) == (None, None)


def test_a_window_carries_what_was_asked_and_how_busy_the_host_was_and_nothing_is_made_up() -> None:
    state = serving(record(slot(A, 1)))
    worker = state.active.id if state.active else 0
    bare = WindowLine(duration_s=10.0, count=5, errors=0, busy_s=2.5, rss_bytes=1, ram_peak_bytes=1)
    full = msgspec.structs.replace(
        bare, asked=9, shed=1, queue_mean_ms=2.0, queue_p95_ms=7.0, cpu_per_inference_s=0.004
    )
    sensed = Sensed(host_busy_share=0.75, pressure_share=0.1)

    def told(line: WindowLine, sensed: Sensed) -> list[object]:
        closed = events.WindowClosed(now_s=5.0, worker=worker, line=line, sensed=sensed, steady_s=77.0)
        (spooled,) = only(effects.Spool, step(state, closed).effects)
        said = spooled.window
        return [
            said.asked, said.shed, said.queue_mean_ms, said.queue_p95_ms, said.cpu_per_inference_s,
            said.host_busy_share, said.pressure_share, said.closed_s,
        ]  # fmt: skip

    assert told(full, sensed) == [9, 1, 2.0, 7.0, 0.004, 0.75, 0.1, 77.0]
    assert told(bare, Sensed()) == [None] * 7 + [77.0]


def notices(turn: Turn) -> list[Event]:
    messages = [each.message for each in only(effects.Publish, turn.effects)]
    return [each for each in messages if isinstance(each, Event)]


def test_why_a_sensor_was_not_believed_is_in_the_window_and_told_once() -> None:
    lying = Sensed(implausible={"temperature": "zone: 127850 C is outside", "power": "meter: 1e+08 W is outside"})
    state = replace(serving(record(slot(A, 1))), link_up=True)
    first = window(state, sensed=lying)
    closed = only(effects.Spool, first.effects)[0].window
    assert closed.implausible == "power: meter: 1e+08 W is outside; temperature: zone: 127850 C is outside"
    assert (closed.temperature_celsius, closed.power_source) == (None, "modelled")
    assert [each.kind for each in notices(first)] == ["implausible"]
    assert notices(window(first.state, sensed=lying)) == []
    assert notices(window(window(first.state).state, sensed=lying)) != []


def test_one_batch_is_under_way_until_its_ack_or_its_time() -> None:
    state = replace(serving(record(slot(A, 1))), link_up=True)
    first = window(state)
    assert only(effects.SendBatch, first.effects)
    state = step(first.state, events.BatchSent(now_s=5.0, boot="b1", seq=1)).state
    assert not only(effects.SendBatch, window(state).effects)
    assert not only(effects.SendBatch, step(state, events.Tick(now_s=14.0)).effects)
    late = step(state, events.Tick(now_s=15.5))
    assert only(effects.SendBatch, late.effects)
    again = step(late.state, events.BatchSent(now_s=15.5, boot="b1", seq=1)).state
    assert again.in_flight is not None
    assert again.in_flight.until_s == 35.5
    acked = step(again, events.AckArrived(now_s=16.0, boot="b1", seq=1))
    assert [type(each) for each in acked.effects] == [effects.Free, effects.SendBatch]
    other = step(again, events.AckArrived(now_s=16.0, boot="b0", seq=9))
    assert [type(each) for each in other.effects] == [effects.Free]


def test_on_battery_windows_with_nothing_to_tell_wait_for_one_message() -> None:
    calm = Sensed(battery_percent=80.0, battery_discharging=True)
    low = replace(calm, battery_percent=15.0)

    def sends(now_s: float, sensed: Sensed = calm) -> bool:
        return bool(only(effects.SendBatch, window(state, sensed=sensed, now_s=now_s).effects))

    state = replace(serving(record(slot(A, 1))), link_up=True, sent_s=1000.0)
    assert sends(590.0)  # fresh in service
    assert not sends(1200.0)
    assert sends(1300.0)
    assert not sends(1300.0, low)
    assert sends(1900.0, low)
    assert sends(1200.0, replace(calm, throttled_share=0.1))
    assert sends(1200.0, replace(calm, undervoltage=True))
    assert sends(1200.0, replace(calm, battery_discharging=False))
    assert sends(1200.0, Sensed())
    later = step(state, events.BatchSent(now_s=1300.0, boot="b1", seq=9)).state
    assert (later.sent_s, later.in_flight is not None) == (1300.0, True)


def said(turn: Turn) -> list[Status]:
    return [each.message for each in only(effects.Publish, turn.effects) if isinstance(each.message, Status)]


def test_who_serves_nothing_says_now_and_then_that_it_is_there_and_at_first_for_how_long_it_says_nothing() -> None:
    up = step(booted(Record()), events.LinkUp(now_s=100.0))
    (first,) = said(up)
    assert (first.online, first.window_s, first.hold_s) == (True, 30.0, IDLE_S)
    assert said(step(up.state, events.Tick(now_s=459.0))) == []
    again = step(up.state, events.Tick(now_s=460.0))
    assert said(again) == [first]
    assert said(step(again.state, events.Tick(now_s=461.0))) == []
    down = step(again.state, events.LinkDown(now_s=500.0))
    assert said(step(down.state, events.Tick(now_s=5000.0))) == []


def test_who_is_heard_by_its_telemetry_says_nothing_else() -> None:
    up = step(serving(record(slot(A, 1))), events.LinkUp(now_s=0.0))
    assert [each.hold_s for each in said(up)] == [0.0]
    sent = step(up.state, events.BatchSent(now_s=50.0, boot="b1", seq=1)).state
    assert said(step(sent, events.Tick(now_s=109.0))) == []
    assert len(said(step(sent, events.Tick(now_s=110.0)))) == 1, "two windows are overdue"


def test_how_long_windows_are_held_back_is_told_as_it_changes() -> None:
    up = step(serving(record(slot(A, 1))), events.LinkUp(now_s=0.0)).state
    told = []
    for at, percent in enumerate((80.0, 79.0, 15.0, 14.0)):
        sensed = Sensed(battery_percent=percent, battery_discharging=True)
        closed = window(up, sensed=sensed, now_s=at + 1.0)
        ticked = step(closed.state, events.Tick(now_s=at + 1.5))
        up = ticked.state
        told.append([each.hold_s for each in said(ticked)])
    assert told == [[BATTERY_S], [], [LOW_BATTERY_S], []]
    on_mains = window(up, sensed=Sensed(battery_discharging=False), now_s=9.0).state
    assert [each.hold_s for each in said(step(on_mains, events.Tick(now_s=9.5)))] == [0.0]


def test_a_window_beyond_its_latency_cap_does_not_wait() -> None:
    state = replace(serving(record(slot(A, 1, latency_p95_ms=40.0))), link_up=True, sent_s=1000.0)
    worker = state.active.id if state.active else 0
    for p95_ms, sent in ((39.0, 0), (41.0, 1)):
        line = WindowLine(
            duration_s=10.0, count=5, errors=0, busy_s=2.5, rss_bytes=1, ram_peak_bytes=1, latency_p95_ms=p95_ms
        )
        sensed = Sensed(battery_discharging=True)
        closed = events.WindowClosed(now_s=1100.0, worker=worker, line=line, sensed=sensed)
        assert len(only(effects.SendBatch, step(state, closed).effects)) == sent


def test_a_window_beyond_the_ram_cap_is_told_and_ends_the_worker() -> None:
    state = replace(serving(record(slot(A, 1, ram_total_bytes=500))), link_up=True)
    turn = window(state)
    assert [type(each) for each in turn.effects][:2] == [effects.Spool, effects.SendBatch]
    assert only(effects.StopWorker, turn.effects)[0].at_once
    assert turn.state.active is None


def test_notices_wait_for_the_link_and_are_bounded() -> None:
    state = booted(Record())
    for _ in range(40):
        state = step(state, events.DesiredRefused(now_s=0.0, reason="junk")).state
    assert len(state.unsent) == 32
    up = step(state, events.LinkUp(now_s=1.0))
    leaves = [each.leaf for each in only(effects.Publish, up.effects)]
    assert leaves == [Leaf.STATUS, Leaf.INFO, Leaf.REPORTED] + [Leaf.EVENT] * 32
    assert up.state.unsent == ()


def test_info_says_what_is_emulated() -> None:
    state = State(setup=replace(SETUP, gflops=20.0, sensors_emulated=True))
    sent = only(effects.Publish, step(state, events.LinkUp(now_s=0.0)).effects)
    info = msgspec.to_builtins(next(each.message for each in sent if each.leaf is Leaf.INFO))
    assert info["emulated"] == "20 GFLOP/s, sensors"
    assert info["profile"] == "device: dev-1"


def test_what_the_broker_says_is_understood_or_refused() -> None:
    def heard(where: str, payload: bytes) -> object:
        return understand("dev-1", where, payload, 1.0)

    ack = Ack(device="dev-1", boot="b", seq=3)
    assert heard(topic("dev-1", Leaf.ACK), encode(ack)) == events.AckArrived(now_s=1.0, boot="b", seq=3)
    assert heard(topic("dev-2", Leaf.ACK), encode(ack)) is None
    assert heard(topic("dev-1", Leaf.STATUS), b"") is None
    assert heard(topic("dev-1", Leaf.DESIRED), b"signed?") == Envelope(b"signed?")
    assert heard(topic("dev-1", Leaf.DESIRED), b"") is None  # withdrawn: what runs goes on running
    block = BlobTopic(sha256(A), 4)
    assert heard(str(block), b"x") == events.BlockArrived(now_s=1.0, sha256=sha256(A), block=4, data=b"x")
    with pytest.raises(WireError):
        heard(topic("dev-1", Leaf.ACK), b"{}")
    with pytest.raises(WireError):
        heard("elsewhere", b"")
