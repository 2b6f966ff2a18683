"""The device's decisions, pure: `step(state, event) -> (state, effects)`.

The shell (`agent.daemon` on a device, `agent.simulate` under a virtual clock) turns what happens into events, performs
the effects in order, and hands their answers back as further events. Read on in `accept` (whether to obey), `install`
(manifest, blocks, trial, commit), `download` (asking for blocks), `serve` (keeping it running), `telemetry` (windows
and acks), `alive` (a silence that is too long) and `report` (what is said).
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import msgspec

from agent.record import Record
from agent.step.accept import desired, unsigned
from agent.step.alive import say, watch_silence
from agent.step.download import ask, watch_download
from agent.step.drain import STOPPING_S, retire
from agent.step.effects import Effect, ForgetWindows, Note, SaveRecord, StopWorker, Subscribe
from agent.step.events import (
    AckArrived,
    BatchSent,
    BlockArrived,
    DesiredArrived,
    DesiredRefused,
    Downloaded,
    Event,
    LinkDown,
    LinkUp,
    ManifestFound,
    Prepared,
    Started,
    Stopping,
    Tick,
    TrialDone,
    WindowClosed,
    WorkerDied,
)
from agent.step.install import block_arrived, downloaded, manifest_found, prepare, prepared
from agent.step.report import greet, status
from agent.step.serve import start_active, trial_done, watch_workers, window_closed, worker_died
from agent.step.state import Setup, State, Turn
from agent.step.telemetry import ack_arrived, batch_sent, send, watch_batch
from agent.wire.topics import device_filters

__all__ = ["Effect", "Event", "Setup", "State", "Turn", "step"]


def step(state: State, event: Event) -> Turn:  # noqa: PLR0911, PLR0912 - one line an event
    """Decide what `event` means in `state`: the state after it, and the effects to perform in order."""
    match event:
        case Started():
            return _started(state, event)
        case Stopping():
            return _stopping(state)
        case Tick():
            return _tick(state, event)
        case LinkUp():
            return _link_up(state, event)
        case LinkDown():
            return _link_down(state, event)
        case DesiredArrived():
            return desired(state, event)
        case DesiredRefused():
            return unsigned(state, event)
        case AckArrived():
            return ack_arrived(state, event)
        case ManifestFound():
            return manifest_found(state, event)
        case Prepared():
            return prepared(state, event)
        case BlockArrived():
            return block_arrived(state, event)
        case Downloaded():
            return downloaded(state, event)
        case TrialDone():
            return trial_done(state, event)
        case WorkerDied():
            return worker_died(state, event)
        case WindowClosed():
            return window_closed(state, event)
        case BatchSent():
            return batch_sent(state, event)
        case _:
            assert_never(event)


def _started(state: State, event: Started) -> Turn:
    """Serve what is remembered, with or without a link, and go on with what was under way."""
    owned = _own(state)
    begun = owned.do(Note("started", {"boot": state.setup.boot, "mark": owned.state.record.mark}))
    begun = begun.then(lambda left: start_active(left, event.now_s))
    return begun.then(prepare) if owned.state.record.pending is not None else begun


def _own(state: State) -> Turn:
    """Begin anew where the record is another device's: by a copied card, or under another name.

    The mark would refuse what this device is sent, and the windows would tell of the other one. Artifacts stay: each is
    known by its digest, and tried here before it serves.
    """
    owner = state.record.device
    if owner in (None, state.setup.device):
        return Turn(state)
    note = Note("state_of_another_device", {"was": owner, "mark": state.record.mark})
    return Turn(replace(state, record=Record())).do(note, ForgetWindows(), SaveRecord(Record()))


def _stopping(state: State) -> Turn:
    """A clean end: starts and trials that it cuts short do not count as failed ones, and last windows are taken.

    After the goodbye nothing more is said, as whoever is heard counts as online: these windows go out next time.
    """
    record = msgspec.structs.replace(
        state.record,
        starts=max(0, state.record.starts - (state.active is not None)),
        trials=max(0, state.record.trials - (state.candidate is not None)),
    )
    ended = replace(state, record=record, candidate=None, restart_at_s=None, link_up=False)
    ending = Turn(ended).do(SaveRecord(record), status(state, online=False))
    if state.candidate is not None:
        ending = ending.do(StopWorker(state.candidate.id))
    return ending.then(lambda left: retire(left, STOPPING_S)).do(Note("stopped"))


def _tick(state: State, event: Tick) -> Turn:
    watched = watch_workers(state, event.now_s)
    watched = watched.then(lambda left: watch_download(left, event.now_s))
    watched = watched.then(lambda left: watch_batch(left, event.now_s))
    return watched.then(lambda left: watch_silence(left, event.now_s))


def _link_up(state: State, event: LinkUp) -> Turn:
    """Everything that a controller may not know yet, on every connection."""
    up = replace(state, link_up=True, in_flight=None, unacked=0)
    listening = Turn(up).do(Note("link_up"), Subscribe(tuple(device_filters(state.setup.device))))
    said = listening.then(lambda left: say(left, event.now_s)).then(greet)
    return said.then(ask).then(send)


def _link_down(state: State, event: LinkDown) -> Turn:
    down = replace(state, link_up=False, in_flight=None)
    return Turn(down).do(Note("link_down", {"reason": event.reason}))
