"""Whether to obey: a desired assignment against the key, the device's name, the high-water mark and the clock."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import msgspec

from agent.record import without_blocks
from agent.step.effects import Note
from agent.step.events import DesiredArrived, DesiredRefused
from agent.step.install import abandon, adopt, can_adopt, prepare
from agent.step.report import decline, notify, report
from agent.step.state import State, Turn
from agent.wire.errors import Failure
from agent.wire.manifest import MAX_MANIFEST_BYTES
from agent.wire.messages import WIRE, Assignment

_SHA256 = re.compile(r"[0-9a-f]{64}")


def desired(state: State, event: DesiredArrived) -> Turn:
    """An assignment with a right signature; the broker repeats it on every subscription."""
    assignment = event.assignment
    if assignment.device != state.setup.device:
        return _refuse(state, Failure.WRONG_DEVICE, f"it is for {assignment.device}")
    if _is_repeat(state, assignment):
        return report(state)
    if (assignment.epoch, assignment.seq) <= state.record.mark:
        return _refuse(state, Failure.STALE, f"{_place(assignment)} is not above {state.record.mark}").then(report)
    return _new(state, assignment, event)


def unsigned(state: State, event: DesiredRefused) -> Turn:
    """Anyone may have put it there."""
    return _refuse(state, Failure.BAD_SIGNATURE, event.reason)


def _new(state: State, assignment: Assignment, event: DesiredArrived) -> Turn:
    """It is signed, for us and newer than all before."""
    if assignment.wire != WIRE:
        return _foreign(state, assignment)
    trusted_unix_s = max(state.record.trusted_unix_s, assignment.issued_unix_s or 0.0)
    # A clock that was lost counts from 1970: what a signature vouched for is the least it can be.
    now_unix_s = max(event.wall_unix_s, trusted_unix_s)
    if assignment.expires_unix_s is not None and assignment.expires_unix_s < now_unix_s:
        late_s = now_unix_s - assignment.expires_unix_s
        return decline(state, assignment, Failure.EXPIRED, f"it expired {late_s:.0f} s ago")
    if assignment.runtime not in state.setup.runtimes:
        return decline(state, assignment, Failure.NO_RUNTIME, _no_runtime(state, assignment.runtime))
    if assignment.size_bytes > (declared := state.setup.storage_bytes or math.inf):
        return decline(
            state, assignment, Failure.NO_SPACE, f"{assignment.size_bytes} bytes; {declared} are declared as storage"
        )
    if fault := _malformed(assignment):
        return decline(state, assignment, Failure.BAD_DIGEST, fault)
    return _take(state, assignment, trusted_unix_s)


def _foreign(state: State, assignment: Assignment) -> Turn:
    """Reported, and told as an event too: an older controller does not know the word."""
    older = "controller" if assignment.wire < WIRE else "agent"
    reason = f"it is of wire {assignment.wire}, this agent speaks {WIRE}: update the {older}"
    return decline(state, assignment, Failure.WIRE, reason).then(lambda left: _refuse(left, Failure.WIRE, reason))


def _take(state: State, assignment: Assignment, trusted_unix_s: float) -> Turn:
    record = msgspec.structs.replace(
        state.record,
        latest=assignment,
        outcome=None,
        trials=0,
        trusted_unix_s=trusted_unix_s,
    )
    note = Note("accepted", {"seq": assignment.seq, "epoch": assignment.epoch, "sha256": assignment.sha256})
    taken = abandon(state).then(lambda left: Turn(replace(left, record=record)).do(note))
    return taken.then(lambda left: adopt(left) if can_adopt(left) else prepare(left))


def _refuse(state: State, failure: Failure, reason: str) -> Turn:
    """Not obeyed and not reported: `reported` speaks of an assignment that was ours, and this one may be anybody's."""
    note = Note("refused", {"failure": str(failure), "reason": reason})
    return notify(state, "refused", f"{failure}: {reason}").do(note)


def _no_runtime(state: State, runtime: str) -> str:
    wrong = state.setup.broken_runtimes.get(runtime)
    return f"{runtime} is not installed" if wrong is None else f"{runtime} does not run here: {wrong}"


def _is_repeat(state: State, assignment: Assignment) -> bool:
    latest = state.record.latest
    return latest is not None and without_blocks(latest) == without_blocks(assignment)


def _malformed(assignment: Assignment) -> str:
    """What no honest controller signs, and what would lead out of the artifact directory or past its size."""
    if not _SHA256.fullmatch(assignment.sha256):
        return f"sha256 {assignment.sha256!r} is not 64 hex digits"
    if not _SHA256.fullmatch(assignment.manifest):
        return f"manifest {assignment.manifest!r} is not 64 hex digits"
    if not 1 <= assignment.manifest_bytes <= MAX_MANIFEST_BYTES:
        return f"a manifest of {assignment.manifest_bytes} bytes, 1 to {MAX_MANIFEST_BYTES} are read"
    return "" if assignment.size_bytes >= 1 else f"{assignment.size_bytes} bytes"


def _place(assignment: Assignment) -> tuple[int, int]:
    return assignment.epoch, assignment.seq
