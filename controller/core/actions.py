"""Everything the controller can decide to do. `controller.perform` has one branch for each."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.types import Calibration, Caps, Device, Incident, Placement, PruneJob, Rollout


@dataclass(frozen=True, slots=True)
class Place:
    """Write down what the fit says of a device."""

    placement: Placement


@dataclass(frozen=True, slots=True)
class QueuePrune:
    model: str
    caps: Caps


@dataclass(frozen=True, slots=True)
class StartJob:
    job: PruneJob


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
    result: str
    reason: str


@dataclass(frozen=True, slots=True)
class Calibrate:
    device: str
    calibration: Calibration
    why: str


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
    | Assign
    | SendDesired
    | FinishDesired
    | Calibrate
    | OpenIncident
    | UpdateIncident
    | UpdateRollout
)
