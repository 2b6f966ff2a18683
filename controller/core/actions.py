"""Everything the controller can decide to do. `controller.loop.perform` has one branch for each."""

from __future__ import annotations

from dataclasses import dataclass

from agent.wire.messages import Result
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident
from controller.core.nouns.job import Job
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.nouns.work import Prune


@dataclass(frozen=True, slots=True)
class Place:
    """Write down what the fit says of a device."""

    placement: Placement


@dataclass(frozen=True, slots=True)
class QueuePrune:
    """Write down that it is wanted, or what it is predicted to win by now. An audit waits until nothing else is to
    do."""

    model: str
    prune: Prune


@dataclass(frozen=True, slots=True)
class DropJob:
    """Forget a job that was never started and that nobody waits for any more."""

    job: str


@dataclass(frozen=True, slots=True)
class StartJob:
    job: Job


@dataclass(frozen=True, slots=True)
class StopJob:
    """End a running job without its answer: something else is to do, and it goes on later."""

    job: Job


@dataclass(frozen=True, slots=True)
class Assign:
    """Make the next assignment of a device: a new seq, signed, stored and published in this order."""

    device: Device
    placement: Placement
    sha256: str
    rollout: str | None
    incident: str | None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class SendDesired:
    """Publish the newest assignment again: the device has not answered it."""

    device: str


@dataclass(frozen=True, slots=True)
class FinishDesired:
    device: str
    epoch: int
    seq: int
    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class Calibrate:
    """Write down what is learned; with `refit` what was placed by figures that no longer hold is placed anew."""

    device: str
    calibration: Calibration
    why: str
    refit: bool = False


@dataclass(frozen=True, slots=True)
class OpenIncident:
    incident: Incident


@dataclass(frozen=True, slots=True)
class UpdateIncident:
    incident: Incident


@dataclass(frozen=True, slots=True)
class UpdateRollout:
    rollout: Rollout


Action = (
    Place
    | QueuePrune
    | StartJob
    | StopJob
    | DropJob
    | Assign
    | SendDesired
    | FinishDesired
    | Calibrate
    | OpenIncident
    | UpdateIncident
    | UpdateRollout
)
