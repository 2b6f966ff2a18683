"""What the device says about itself: its retained messages, and notices of what happened."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from agent.record import Slot
from agent.step.effects import Publish, Subscribe, Unsubscribe
from agent.step.state import State, Turn
from agent.wire.errors import Failure
from agent.wire.messages import WIRE, Assignment, Info, Phase, Reported, Result, Status
from agent.wire.messages import Event as Notice
from agent.wire.topics import Leaf

UNSENT_LIMIT = 32


def greet(state: State) -> Turn:
    """What the device is, how its assignment is going, and the notices that had to wait."""
    waiting = [Publish(Leaf.EVENT, notice) for notice in state.unsent]
    return Turn(replace(state, unsent=())).do(
        Publish(Leaf.INFO, info(state)),
        Publish(Leaf.REPORTED, reported(state)),
        *waiting,
    )


def status(state: State, *, online: bool) -> Publish:
    setup = state.setup
    said = Status(
        device=setup.device, online=online, boot=setup.boot, window_s=setup.window_s, hold_s=state.told_hold_s
    )
    return Publish(Leaf.STATUS, said)


def info(state: State) -> Info:
    setup = state.setup
    return Info(
        device=setup.device,
        agent_version=setup.agent_version,
        architecture=setup.architecture,
        runtimes=list(setup.runtimes),
        profile=setup.profile,
        emulated=_emulated(state),
        sensors=dict(setup.sensors),
        wire=WIRE,
    )


def reported(state: State) -> Reported:
    """The truth about what runs, and how the latest assignment is going."""
    record, outcome = state.record, state.record.outcome
    epoch, seq = record.mark
    download = state.download
    if download is not None and download.sha256 != _wanted(record.pending):
        download = None  # a manifest's
    return Reported(
        device=state.setup.device,
        boot=state.setup.boot,
        epoch=epoch,
        seq=seq,
        sha256=_running(record.active, outcome.result if outcome else None),
        phase=state.phase,
        result=outcome.result if outcome else None,
        failure=outcome.failure if outcome else None,
        reason=outcome.reason if outcome else "",
        trial=outcome.trial if outcome else None,
        blocks_have=download.total - len(download.missing) if download else 0,
        blocks_total=download.total if download else 0,
    )


def report(state: State) -> Turn:
    """Say how it is going; while the link is down nothing is said, `greet` will."""
    return Turn(state).do(*([Publish(Leaf.REPORTED, reported(state))] if state.link_up else []))


def decline(state: State, assignment: Assignment, failure: Failure, reason: str) -> Turn:
    """Report a refusal that rests on circumstances (the clock, a runtime to be installed): the mark stays where it is,
    so that the same assignment may be obeyed once they have changed."""
    message = msgspec.structs.replace(
        reported(state),
        epoch=assignment.epoch,
        seq=assignment.seq,
        phase=Phase.IDLE if state.record.active is None else Phase.ACTIVE,
        result=Result.REJECTED,
        failure=failure,
        reason=reason,
        trial=None,
    )
    return Turn(state).do(Publish(Leaf.REPORTED, message))


def notify(state: State, kind: str, message: str = "") -> Turn:
    """Send a notice, or keep it for the next connection (the newest `UNSENT_LIMIT` of them)."""
    notice = Notice(device=state.setup.device, boot=state.setup.boot, kind=kind, message=message)
    if state.link_up:
        return Turn(state).do(Publish(Leaf.EVENT, notice))
    return Turn(replace(state, unsent=(*state.unsent, notice)[-UNSENT_LIMIT:]))


def listen(state: State, filters: tuple[str, ...], *, on: bool) -> Turn:
    """Change subscriptions; without a link there are none to change, they are made on the next `greet`."""
    if not state.link_up:
        return Turn(state)
    return Turn(state).do(Subscribe(filters) if on else Unsubscribe(filters))


def _wanted(pending: Assignment | None) -> str | None:
    return None if pending is None else pending.sha256


def _running(active: Slot | None, result: Result | None) -> str | None:
    return None if active is None or result is Result.FAILED_STUCK else active.sha256


def _emulated(state: State) -> str | None:
    parts = []
    if state.setup.gflops is not None:
        parts.append(f"{state.setup.gflops:g} GFLOP/s")
    if state.setup.sensors_emulated:
        parts.append("sensors")
    return ", ".join(parts) or None
