"""What can happen to a device. Each event carries its moment, so that a decision needs no clock.

`now_s` is monotonic; `wall_unix_s`, where it is there, is the device's own idea of the time and may be years off.
`steady_s` counts from the host's boot, also while it sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.sensed import NOTHING, Sensed
from agent.wire.errors import Failure
from agent.wire.messages import Assignment, Trial
from agent.wire.work import WindowLine


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(_Event):
    """The agent has begun a new boot with what the record remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping(_Event):
    """The agent was asked to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(_Event):
    """Time passed; about twice a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp(_Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown(_Event):
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredArrived(_Event):
    """The trusted key signed `assignment`; whether it is for this device, and new, is not looked at yet."""

    assignment: Assignment
    wall_unix_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredRefused(_Event):
    """What was desired is not signed by the trusted key, or no envelope at all."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AckArrived(_Event):
    boot: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFound(_Event):
    """What is kept under the digest `sha256`, verified; None where nothing is."""

    sha256: str
    body: bytes | None
    failure: Failure | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(_Event):
    """There is room for the artifact. `whole`: it is on disk and verified; else these of its blocks are missing.

    None may be missing of what is not whole yet, where the device died between the last block and the digest.
    """

    sha256: str
    whole: bool
    missing: frozenset[int] = frozenset()
    failure: Failure | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockArrived(_Event):
    sha256: str
    block: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded(_Event):
    """Every block is stored; without a failure the whole digest was right and the artifact is on disk for good."""

    sha256: str
    failure: Failure | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDone(_Event):
    worker: int
    trial: Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDied(_Event):
    worker: int
    detail: str = ""
    failure: Failure = Failure.CRASHED


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowClosed(_Event):
    worker: int
    line: WindowLine
    sensed: Sensed = NOTHING
    wall_unix_s: float | None = None
    steady_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSent(_Event):
    """Windows of `boot` up to `seq` were handed to the link."""

    boot: str
    seq: int


Event = (
    Started
    | Stopping
    | Tick
    | LinkUp
    | LinkDown
    | DesiredArrived
    | DesiredRefused
    | AckArrived
    | ManifestFound
    | Prepared
    | BlockArrived
    | Downloaded
    | TrialDone
    | WorkerDied
    | WindowClosed
    | BatchSent
)
