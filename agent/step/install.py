"""Bringing the pending assignment in: room, blocks, the whole digest, the trial, and the commit."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from agent.record import Outcome, Record, Slot, without_blocks
from agent.step.drain import SWAPPING_S, retire
from agent.step.effects import (
    Collect,
    FinishDownload,
    Go,
    Note,
    Prepare,
    Publish,
    SaveRecord,
    StartWorker,
    StopWorker,
    StoreBlock,
)
from agent.step.events import BlockArrived, Downloaded, Prepared
from agent.step.report import listen, report
from agent.step.state import Download, State, Turn, Worker
from agent.wire import blocks
from agent.wire.errors import Failure
from agent.wire.messages import Need, Result, Trial
from agent.wire.topics import Leaf, blob_filter

STALL_S, STALL_MAX_S = 2.0, 60.0
PROGRESS_S = 2.0
TRIALS = 2


def can_adopt(state: State) -> bool:
    """Does exactly this artifact serve already, under the name and at the rate that are asked for?"""
    wanted, slot, worker = state.record.pending, state.record.active, state.active
    return (
        wanted is not None
        and slot is not None
        and worker is not None
        and worker.serving
        and worker.sha256 == wanted.sha256
        and slot.assignment.model == wanted.model
        and slot.assignment.rate_hz == wanted.rate_hz
    )


def adopt(state: State) -> Turn:
    """The pending assignment names what serves: only its budgets are new."""
    record, slot = state.record, state.record.active
    assert record.pending is not None  # `can_adopt`
    assert slot is not None
    wanted = without_blocks(record.pending)
    active = msgspec.structs.replace(slot, assignment=wanted)
    outcome = Outcome(result=Result.SUCCEEDED, trial=slot.trial, reason="it was running already")
    record = msgspec.structs.replace(record, active=active, latest=wanted, outcome=outcome)
    return _keep(state, record).do(Note("adopted", {"seq": wanted.seq, "sha256": wanted.sha256})).then(report)


def prepare(state: State) -> Turn:
    """Begin, or begin again after a restart: what is on disk already is not fetched twice."""
    wanted = state.record.pending
    assert wanted is not None  # called with one
    return _keep(replace(state, preparing=True), state.record).do(Prepare(wanted)).then(report)


def prepared(state: State, event: Prepared) -> Turn:
    wanted = state.record.pending
    if not state.preparing or wanted is None or wanted.sha256 != event.sha256:
        return Turn(state)
    state = replace(state, preparing=False)
    if event.failure is not None:
        return settle(state, event.failure, event.detail)
    if event.whole:
        return try_out(state, event.now_s)
    total = len(wanted.blocks)
    download = Download(
        missing=event.missing,
        total=total,
        need_at_s=event.now_s + STALL_S,
        told_have=total - len(event.missing),
        told_at_s=event.now_s,
    )
    state = replace(state, download=download)
    return ask(state).then(report) if event.missing else Turn(state).do(FinishDownload(wanted))


def ask(state: State) -> Turn:
    """Listen to the artifact's blocks and say which are missing."""
    wanted = state.record.pending
    if state.download is None or wanted is None or not state.download.missing or not state.link_up:
        return Turn(state)
    missing = blocks.pack(state.download.missing, state.download.total)
    need = Need(device=state.setup.device, sha256=wanted.sha256, missing=missing)
    return listen(state, (blob_filter(wanted.sha256),), on=True).do(Publish(Leaf.NEED, need))


def block_arrived(state: State, event: BlockArrived) -> Turn:
    wanted, download = state.record.pending, state.download
    if wanted is None or wanted.sha256 != event.sha256:
        return listen(state, (blob_filter(event.sha256),), on=False)
    if download is None or event.block not in download.missing:
        return Turn(state)
    if blocks.digest(event.data) != wanted.blocks[event.block]:
        return Turn(state).do(Note("bad_block", {"sha256": event.sha256, "block": event.block}))
    missing = download.missing - {event.block}
    download = replace(download, missing=missing, need_at_s=event.now_s + STALL_S, stalls=0)
    stored = Turn(replace(state, download=download)).do(
        StoreBlock(event.sha256, event.block * wanted.block_bytes, event.data)
    )
    if missing:
        return stored
    return stored.then(lambda left: listen(left, (blob_filter(event.sha256),), on=False)).do(FinishDownload(wanted))


def watch_download(state: State, now_s: float) -> Turn:
    """Ask again where nothing comes, less and less often; tell the progress now and then."""
    download = state.download
    if download is None or not state.link_up:
        return Turn(state)
    have = download.total - len(download.missing)
    if have != download.told_have and now_s - download.told_at_s >= PROGRESS_S:
        return report(replace(state, download=replace(download, told_have=have, told_at_s=now_s)))
    if not download.missing or now_s < download.need_at_s:
        return Turn(state)
    wait_s = min(STALL_MAX_S, STALL_S * 2.0**download.stalls)
    return ask(replace(state, download=replace(download, need_at_s=now_s + wait_s, stalls=download.stalls + 1)))


def downloaded(state: State, event: Downloaded) -> Turn:
    wanted = state.record.pending
    if state.download is None or wanted is None or wanted.sha256 != event.sha256:
        return Turn(state)
    if event.failure is not None:
        return settle(state, event.failure, event.detail)
    return try_out(replace(state, download=None), event.now_s)


def try_out(state: State, now_s: float) -> Turn:
    """Start the trial beside whatever serves. It is counted first: a trial may take the whole device down."""
    wanted = state.record.pending
    assert wanted is not None  # called with one
    if state.record.trials >= TRIALS:
        return settle(state, Failure.CRASHED, f"{TRIALS} trials did not come to an end")
    record = msgspec.structs.replace(state.record, trials=state.record.trials + 1)
    worker = Worker(id=state.next_worker, sha256=wanted.sha256, since_s=now_s, seen_s=now_s)
    state = replace(state, record=record, candidate=worker, next_worker=worker.id + 1)
    note = Note("trial_started", {"seq": wanted.seq, "sha256": wanted.sha256})
    return Turn(state).do(SaveRecord(record), StartWorker(worker.id, wanted, judged=True), note).then(report)


def candidate_judged(state: State, trial: Trial, now_s: float) -> Turn:
    if trial.passed:
        return _commit(state, trial, now_s)
    return settle(state, trial.failure or Failure.CRASHED, trial.detail, trial)


def settle(state: State, failure: Failure, reason: str, trial: Trial | None = None) -> Turn:
    """The pending assignment failed; whatever ran goes on running."""
    wanted = state.record.pending
    assert wanted is not None  # called with one
    result = Result.FAILED_NO_CHANGE if failure.temporary else Result.REJECTED
    record = msgspec.structs.replace(
        state.record,
        latest=without_blocks(wanted),
        outcome=Outcome(result=result, failure=failure, reason=reason, trial=trial),
    )
    note = Note("failed", {"seq": wanted.seq, "result": str(result), "failure": str(failure), "reason": reason})
    return abandon(state).then(lambda left: _keep(left, record)).do(note).then(report)


def abandon(state: State) -> Turn:
    """Leave what is under way: no more blocks, no trial."""
    left = Turn(replace(state, preparing=False, download=None, candidate=None))
    if state.download is not None and state.record.pending is not None:
        filters = (blob_filter(state.record.pending.sha256),)
        left = left.then(lambda after: listen(after, filters, on=False))
    return left.do(StopWorker(state.candidate.id)) if state.candidate is not None else left


def _commit(state: State, trial: Trial, now_s: float) -> Turn:
    """The candidate takes over: first the record, then the new worker serves, then the old one ends."""
    record, worker = state.record, state.candidate
    assert record.pending is not None  # what was judged
    assert worker is not None
    wanted = without_blocks(record.pending)
    same = record.active is not None and record.active.sha256 == wanted.sha256
    record = msgspec.structs.replace(
        record,
        active=Slot(assignment=wanted, trial=trial),
        previous=record.previous if same else record.active,
        latest=wanted,
        outcome=Outcome(result=Result.SUCCEEDED, trial=trial),
        starts=1,
        trials=0,
    )
    serving = replace(worker, serving=True, since_s=now_s, seen_s=now_s)
    retired = retire(state, SWAPPING_S)
    state = replace(
        retired.state, record=record, candidate=None, active=serving, deaths=0, died_s=(), restart_at_s=None
    )
    note = Note("committed", {"seq": wanted.seq, "sha256": wanted.sha256})
    committed = Turn(state).do(SaveRecord(record), Go(worker.id), *retired.effects)
    return committed.do(Collect(record.needed), note).then(report)


def _keep(state: State, record: Record) -> Turn:
    return Turn(replace(state, record=record)).do(SaveRecord(record), Collect(record.needed))
