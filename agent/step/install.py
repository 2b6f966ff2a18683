"""Bringing the pending assignment in: manifest, room, blocks, the whole digest, the trial, and the commit."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from agent.record import Outcome, Record, Slot, checked_as, without_blocks
from agent.step.download import STALL_S, begin, manifest_arrived
from agent.step.drain import SWAPPING_S, retire
from agent.step.effects import (
    Collect,
    FindManifest,
    FinishDownload,
    Go,
    Note,
    Prepare,
    SaveRecord,
    StartWorker,
    StopWorker,
    StoreBlock,
)
from agent.step.events import BlockArrived, Downloaded, ManifestFound, Prepared
from agent.step.report import listen, report
from agent.step.state import State, Turn, Worker
from agent.wire import blocks
from agent.wire.errors import Failure, WireError
from agent.wire.manifest import Manifest, inline_manifest, manifest_for
from agent.wire.messages import Assignment, Result, Trial
from agent.wire.topics import blob_filter

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
    active = msgspec.structs.replace(slot, assignment=checked_as(wanted, slot.assignment))
    outcome = Outcome(result=Result.SUCCEEDED, trial=slot.trial, reason="it was running already")
    record = msgspec.structs.replace(record, active=active, latest=wanted, outcome=outcome)
    return _keep(state, record).do(Note("adopted", {"seq": wanted.seq, "sha256": wanted.sha256})).then(report)


def prepare(state: State) -> Turn:
    """Begin, or begin again after a restart: what is on disk already is not fetched twice."""
    wanted = state.record.pending
    assert wanted is not None  # called with one
    begun = _keep(replace(state, preparing=True), state.record)
    if wanted.manifest:
        return begun.do(FindManifest(wanted.manifest)).then(report)
    return begun.then(lambda left: _see(left, wanted, None)).then(report)  # by an agent of before an update


def manifest_found(state: State, event: ManifestFound) -> Turn:
    """It is there, or was just kept; otherwise it is fetched first."""
    wanted = state.record.pending
    if not state.preparing or wanted is None or wanted.manifest != event.sha256:
        return Turn(state)
    if event.failure is not None:
        return settle(state, event.failure, event.detail)
    if event.body is not None:
        return _see(state, wanted, event.body)
    total = blocks.count(wanted.manifest_bytes)
    return begin(replace(state, preparing=False), wanted.manifest, frozenset(range(total)), total, event.now_s)


def _see(state: State, wanted: Assignment, body: bytes | None) -> Turn:
    """With the manifest that `wanted` names, or has in itself, see what is there of the artifact."""
    try:
        manifest = inline_manifest(wanted) if body is None else manifest_for(wanted, body)
    except WireError as error:
        return settle(state, Failure.BAD_DIGEST, str(error))
    return Turn(replace(state, manifest=manifest)).do(Prepare(manifest))


def prepared(state: State, event: Prepared) -> Turn:
    wanted, manifest = state.record.pending, state.manifest
    if not state.preparing or wanted is None or manifest is None or manifest.sha256 != event.sha256:
        return Turn(state)
    state = replace(state, preparing=False)
    if event.failure is not None:
        return settle(state, event.failure, event.detail)
    if event.whole:
        return try_out(state, event.now_s)
    begun = begin(state, event.sha256, event.missing, manifest.total, event.now_s)
    return begun.then(report) if event.missing else begun.do(FinishDownload(wanted))


def block_arrived(state: State, event: BlockArrived) -> Turn:
    """A block of whatever is being fetched; what nobody here waits for is heard no longer."""
    wanted, download = state.record.pending, state.download
    if wanted is None or event.sha256 not in (wanted.sha256, wanted.manifest):
        return listen(state, (blob_filter(event.sha256),), on=False)
    if download is None or download.sha256 != event.sha256 or event.block not in download.missing:
        return Turn(state)
    if event.sha256 == wanted.manifest:
        return manifest_arrived(state, event)
    assert state.manifest is not None  # it told what is missing
    return _artifact_arrived(state, event, wanted, state.manifest)


def _artifact_arrived(state: State, event: BlockArrived, wanted: Assignment, manifest: Manifest) -> Turn:
    download = state.download
    assert download is not None  # the block was missing
    if not manifest.is_block(event.block, event.data):
        return Turn(state).do(Note("bad_block", {"sha256": event.sha256, "block": event.block}))
    missing = download.missing - {event.block}
    download = replace(download, missing=missing, need_at_s=event.now_s + STALL_S, stalls=0)
    stored = Turn(replace(state, download=download)).do(
        StoreBlock(event.sha256, event.block * manifest.block_bytes, event.data)
    )
    if missing:
        return stored
    return stored.then(lambda left: listen(left, (blob_filter(event.sha256),), on=False)).do(FinishDownload(wanted))


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
    state = replace(state, record=record, manifest=None, candidate=worker, next_worker=worker.id + 1)
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
    left = Turn(replace(state, preparing=False, manifest=None, download=None, candidate=None))
    if state.download is not None:
        filters = (blob_filter(state.download.sha256),)
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
