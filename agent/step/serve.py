"""Keeping the active slot served: starts, deaths, the RAM cap, and the way back to the previous slot."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec

from agent.record import Outcome
from agent.sensed import Sensed
from agent.step.effects import Collect, Go, Note, SaveRecord, StartWorker, StopWorker
from agent.step.events import TrialDone, WindowClosed, WorkerDied
from agent.step.install import candidate_judged, settle
from agent.step.report import notify, report
from agent.step.state import State, Turn, Worker
from agent.step.telemetry import spool_window, told
from agent.wire.errors import Failure
from agent.wire.messages import Assignment, Result

STARTS, STARTS_CONFIRMED = 2, 5
QUICK_S = 60.0
QUICK_DEATHS = 3
OFTEN_DEATHS, OFTEN_S = 5, 3600.0
RESTART_MAX_S = 60.0
VERDICT_S, VERDICT_RUNS = 300.0, 10
"""What a trial may take: to load, and for as many inferences at the latency cap as a slow model's has at the least."""

SILENT_WINDOWS, SILENT_S = 3, 30.0


def start_active(state: State, now_s: float) -> Turn:
    """Start the active slot, or the previous one where starts of a slot that never served came to nothing."""
    slot = state.record.active
    state = replace(state, restart_at_s=None)
    if slot is None:
        return Turn(state)
    allowed = STARTS_CONFIRMED if slot.confirmed else STARTS
    if state.record.starts >= allowed and _can_fall_back(state):
        return _roll_back(state, Failure.CRASHED, f"{allowed} starts came to nothing", now_s)
    record = msgspec.structs.replace(state.record, starts=state.record.starts + 1)
    worker = Worker(id=state.next_worker, sha256=slot.sha256, since_s=now_s, seen_s=now_s)
    state = replace(state, record=record, active=worker, next_worker=worker.id + 1)
    note = Note("worker_started", {"sha256": slot.sha256, "starts": record.starts})
    return Turn(state).do(SaveRecord(record), StartWorker(worker.id, slot.assignment, judged=False), note)


def trial_done(state: State, event: TrialDone) -> Turn:
    if state.candidate is not None and state.candidate.id == event.worker:
        return candidate_judged(state, event.trial, event.now_s)
    if state.active is None or state.active.id != event.worker or state.active.serving:
        return Turn(state)
    if not event.trial.passed:
        failure = event.trial.failure or Failure.CRASHED
        return _lost(state, failure, event.trial.detail, event.now_s).do(StopWorker(event.worker))
    return _serves(state, event.now_s)


def worker_died(state: State, event: WorkerDied) -> Turn:
    if state.candidate is not None and state.candidate.id == event.worker:
        return settle(replace(state, candidate=None), event.failure, event.detail)
    if state.active is None or state.active.id != event.worker:
        return Turn(state)
    return _lost(state, event.failure, event.detail, event.now_s)


def window_closed(state: State, event: WindowClosed) -> Turn:
    """A window goes to the spool; that of the active worker confirms the slot, and ends what outgrew its cap."""
    worker, slot = state.active, state.record.active
    if state.retired is not None and state.retired.id == event.worker:
        return spool_window(state, event, state.retired)
    if worker is None or slot is None or worker.id != event.worker or not worker.serving:
        return Turn(state)
    state = replace(state, active=replace(worker, seen_s=event.now_s))
    noted = spool_window(state, event, worker).then(_confirm).then(lambda left: _tell_troubles(left, event.sensed))
    cap = slot.assignment.ram_total_bytes
    if cap is None or event.line.rss_bytes <= cap:
        return noted
    detail = f"{event.line.rss_bytes} bytes resident, {cap} allowed"
    over = noted.do(StopWorker(worker.id, at_once=True)).then(lambda left: notify(left, "memory", detail))
    return over.then(lambda left: _lost(left, Failure.MEMORY, detail, event.now_s))


def _tell_troubles(state: State, sensed: Sensed) -> Turn:
    """Notices of what began in this window: each once, until it is over."""
    found = {
        "undervoltage": "the supply fell below what the board needs" if sensed.undervoltage else "",
        "throttled": f"{sensed.throttled_share:.0%} of the time" if sensed.throttled_share else "",
        "implausible": told(sensed),
    }
    troubles = frozenset(kind for kind, text in found.items() if text)
    turn = Turn(replace(state, troubles=troubles))
    for kind in sorted(troubles - state.troubles):
        turn = turn.then(partial(notify, kind=kind, message=found[kind]))
    return turn


def watch_workers(state: State, now_s: float) -> Turn:
    """Restart what is due; end what does not come to a verdict or has gone silent."""
    if state.restart_at_s is not None and now_s >= state.restart_at_s:
        return start_active(state, now_s)
    candidate, worker = state.candidate, state.active
    if candidate is not None and now_s - candidate.since_s > (limit_s := _verdict_s(state.record.pending)):
        return settle(state, Failure.CRASHED, f"no verdict in {limit_s:.0f} s")
    if worker is not None and now_s - worker.seen_s > _patience_s(state, worker):
        ended = Turn(state).do(StopWorker(worker.id, at_once=True))
        detail = f"silent for {now_s - worker.seen_s:.0f} s"
        return ended.then(lambda left: _lost(left, Failure.CRASHED, detail, now_s))
    return Turn(state)


def _patience_s(state: State, worker: Worker) -> float:
    slot = state.record.active
    assert slot is not None  # its worker runs
    if not worker.serving:
        return _verdict_s(slot.assignment)
    return SILENT_WINDOWS * state.setup.window_s + SILENT_S + _cap_s(slot.assignment)


def _verdict_s(assignment: Assignment | None) -> float:
    return VERDICT_S + VERDICT_RUNS * _cap_s(assignment)


def _cap_s(assignment: Assignment | None) -> float:
    """Of latency; 0 where there is none."""
    return 0.0 if assignment is None or assignment.latency_p95_ms is None else assignment.latency_p95_ms / 1e3


def _serves(state: State, now_s: float) -> Turn:
    """The active slot's worker loaded and answered rightly. A slot that has served before needs no more proof."""
    worker, slot = state.active, state.record.active
    assert worker is not None  # `trial_done`
    assert slot is not None
    state = replace(state, active=replace(worker, serving=True, since_s=now_s, seen_s=now_s))
    going = Turn(state).do(Go(worker.id), Note("serving", {"sha256": worker.sha256}))
    return going.then(_confirm) if slot.confirmed else going


def _confirm(state: State) -> Turn:
    record, slot = state.record, state.record.active
    assert slot is not None  # something serves
    stuck = record.outcome is not None and record.outcome.result is Result.FAILED_STUCK
    if slot.confirmed and record.starts == 0 and not stuck:
        return Turn(state)
    record = msgspec.structs.replace(record, active=msgspec.structs.replace(slot, confirmed=True), starts=0)
    if stuck:
        outcome = Outcome(result=Result.SUCCEEDED, trial=slot.trial, reason="it recovered")
        record = msgspec.structs.replace(record, outcome=outcome)
    confirmed = Turn(replace(state, record=record)).do(SaveRecord(record))
    return confirmed.then(report) if stuck else confirmed


def _lost(state: State, failure: Failure, detail: str, now_s: float) -> Turn:
    """The active slot's worker is gone: start it again a little later, or fall back where that keeps happening."""
    worker = state.active
    assert worker is not None  # it was lost just now
    lived = worker.serving and now_s - worker.since_s > QUICK_S
    deaths = 1 if lived else state.deaths + 1
    state = replace(state, active=None, deaths=deaths, died_s=(*state.died_s, now_s)[-OFTEN_DEATHS:])
    hopeless = deaths >= QUICK_DEATHS or _dies_often(state)
    note = Note("worker_died", {"sha256": worker.sha256, "failure": str(failure), "deaths": deaths, "detail": detail})
    told = notify(state, "worker_died", f"{failure}: {detail}").do(note)
    if hopeless and _can_fall_back(state):
        return told.then(lambda left: _roll_back(left, failure, detail, now_s))
    later = told.then(lambda left: Turn(replace(left, restart_at_s=now_s + min(RESTART_MAX_S, 2.0 ** (deaths - 1)))))
    return later.then(lambda left: _stuck(left, failure, detail)) if hopeless else later


def _dies_often(state: State) -> bool:
    """A leak takes longer than `QUICK_S` to kill, and does so again and again."""
    return len(state.died_s) == OFTEN_DEATHS and state.died_s[-1] - state.died_s[0] <= OFTEN_S


def _can_fall_back(state: State) -> bool:
    return state.record.active is not None and state.record.previous is not None


def _roll_back(state: State, failure: Failure, detail: str, now_s: float) -> Turn:
    record, slot = state.record, state.record.active
    assert slot is not None  # `_can_fall_back`
    assert record.previous is not None
    back = record.previous.sha256
    rolled = msgspec.structs.replace(record, active=record.previous, previous=None, starts=0)
    if record.pending is None:
        outcome = Outcome(result=Result.FAILED_ROLLED_BACK, failure=failure, reason=detail, trial=slot.trial)
        rolled = msgspec.structs.replace(rolled, outcome=outcome)
    state = replace(state, record=rolled, deaths=0, died_s=())
    note = Note("rolled_back", {"from": slot.sha256, "to": back, "failure": str(failure)})
    told = Turn(state).do(SaveRecord(rolled), Collect(rolled.needed), note)
    told = told.then(lambda left: notify(left, "rolled_back", f"{failure}: {detail}")).then(report)
    return told.then(lambda left: start_active(left, now_s))


def _stuck(state: State, failure: Failure, detail: str) -> Turn:
    """Nothing to fall back to: keep trying, and say so once."""
    record = state.record
    if record.outcome is None or record.outcome.result is Result.FAILED_STUCK:
        return Turn(state)
    outcome = Outcome(result=Result.FAILED_STUCK, failure=failure, reason=detail)
    record = msgspec.structs.replace(record, outcome=outcome)
    stuck = Turn(replace(state, record=record)).do(SaveRecord(record), Note("stuck", {"failure": str(failure)}))
    return stuck.then(report)
