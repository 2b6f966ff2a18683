"""How many there are of what, counted as they move: nobody counts a fleet to say how large it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.incident import UNCLOSED, Incident, IncidentState
from controller.core.nouns.job import UNFINISHED, Job, JobState
from controller.core.nouns.rollout import Rollout, RolloutState

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)


class _Stated(Protocol[K_co]):
    @property
    def state(self) -> K_co: ...


class Census:
    """Of all that was ever written down."""

    def __init__(
        self,
        devices: Iterable[Device] = (),
        incidents: Iterable[Incident] = (),
        rollouts: Iterable[Rollout] = (),
        jobs: Iterable[Job] = (),
    ) -> None:
        self.devices = Counter[DeviceState](each.state for each in devices)
        self.incidents = Counter[IncidentState](each.state for each in incidents)
        self.rollouts = Counter[RolloutState](each.state for each in rollouts)
        self.jobs = Counter[JobState](each.state for each in jobs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Census) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return id(self)

    def devices_move(self, known: Mapping[str, Device], new: Mapping[str, Device | None]) -> None:
        _move(self.devices, known, new)

    def incident_moves(self, before: Incident | None, after: Incident) -> None:
        self.incidents[after.state] += 1
        if before is not None:
            self.incidents[before.state] -= 1

    def incidents_go(self, gone: Mapping[IncidentState, int]) -> None:
        self.incidents.subtract(gone)

    def rollouts_move(self, known: Mapping[str, Rollout], new: Mapping[str, Rollout | None]) -> None:
        _move(self.rollouts, known, new)

    def jobs_move(self, known: Mapping[str, Job], new: Mapping[str, Job | None]) -> None:
        _move(self.jobs, known, new)

    def figures(self) -> dict[str, int]:
        """By the names that `health` has them under."""
        return {
            "devices": self.devices.total(),
            **{f"devices_{state}": self.devices[state] for state in DeviceState},
            "incidents_open": sum(self.incidents[state] for state in UNCLOSED),
            "rollouts_running": self.rollouts[RolloutState.RUNNING],
            "jobs_unfinished": sum(self.jobs[state] for state in UNFINISHED),
        }


def _move(counts: Counter[K], known: Mapping[str, _Stated[K]], new: Mapping[str, _Stated[K] | None]) -> None:
    for key, after in new.items():
        before = known.get(key)
        if before is not None:
            counts[before.state] -= 1
        if after is not None:
            counts[after.state] += 1
