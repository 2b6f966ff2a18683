"""The state of one device: what it was given, what it remembers, and what is under way in this boot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.record import Record
from agent.step.effects import Effect
from agent.wire.manifest import Manifest
from agent.wire.messages import Event as Notice
from agent.wire.messages import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What does not change during a boot; `storage_bytes` is the most that one artifact may take, if declared.

    `gflops` is the pace of the device that this host stands for, None on a real one; `sensors_emulated` tells that what
    the sensors say comes out of a simulation; `sensors` names what they are. `runtimes` are those that work here,
    `broken_runtimes` others that are installed, with what is wrong: both are known before the link is up.
    """

    device: str
    boot: str
    agent_version: str
    architecture: str
    runtimes: tuple[str, ...] = ()
    profile: str
    storage_bytes: int | None = None
    power_idle_watts: float | None = None
    power_busy_watts: float | None = None
    gflops: float | None = None
    sensors_emulated: bool = False
    window_s: float = 30.0
    sensors: Mapping[str, str] = field(default_factory=dict)
    broken_runtimes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Blocks of `sha256` still missing, and when to ask for them again: `stalls` times nothing came since the last
    progress. `parts` are the blocks of a manifest, which is held in memory until it is whole."""

    sha256: str
    missing: frozenset[int]
    total: int
    need_at_s: float
    stalls: int = 0
    told_have: int = 0
    told_at_s: float = 0.0
    parts: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker process: on trial since `since_s`, or serving since then; it last gave a sign of life at `seen_s`."""

    id: int
    sha256: str
    since_s: float
    seen_s: float
    serving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """The one batch of telemetry that waits for its ack, and until when."""

    boot: str
    seq: int
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`manifest` is what the pending assignment's blocks are checked by, from when it is there until they all are.

    `active` runs the active slot; `candidate` tries the pending assignment beside it; `retired` served before it.

    `deaths` counts quick deaths of the active slot's workers in a row, `died_s` are the last of all of them, and
    `restart_at_s` is when the next one starts.
    `sent_s` is when telemetry was last sent, `spoke_s` when that or a status was. `held_back_s` is how long windows may
    wait to be sent, by the last one's battery, and `told_hold_s` what the last status said.
    `unsent` are notices that wait for the link; `troubles` are those of the last window that are told already.
    """

    setup: Setup
    record: Record = field(default_factory=Record)
    link_up: bool = False
    manifest: Manifest | None = None
    download: Download | None = None
    preparing: bool = False
    candidate: Worker | None = None
    active: Worker | None = None
    retired: Worker | None = None
    next_worker: int = 1
    deaths: int = 0
    died_s: tuple[float, ...] = ()
    restart_at_s: float | None = None
    window_seq: int = 0
    in_flight: InFlight | None = None
    unacked: int = 0
    sent_s: float = -math.inf
    spoke_s: float = -math.inf
    held_back_s: float = 0.0
    told_hold_s: float = 0.0
    unsent: tuple[Notice, ...] = ()
    troubles: frozenset[str] = frozenset()

    @property
    def phase(self) -> Phase:
        if self.candidate is not None:
            return Phase.TRIAL
        if self.record.pending is not None:
            return Phase.DOWNLOADING
        return Phase.IDLE if self.record.active is None else Phase.ACTIVE


class Turn(NamedTuple):
    """What every decision returns: the state after it, and what is to be done, in order."""

    state: State
    effects: tuple[Effect, ...] = ()

    def do(self, *effects: Effect) -> Turn:
        return Turn(self.state, self.effects + effects)

    def then(self, decide: Callable[[State], Turn]) -> Turn:
        """Decide further on the state so far."""
        state, effects = decide(self.state)
        return Turn(state, self.effects + effects)
