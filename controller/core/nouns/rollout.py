"""Bringing a model to many devices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RolloutState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"


LIVE = (RolloutState.RUNNING, RolloutState.FINISHED)
"""In these it says what its devices run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Bringing a model to the devices that a selector matches. `waves` are cumulative shares, the last one 1.0."""

    id: str
    model: str
    selector: str
    waves: tuple[float, ...] = (0.2, 1.0)
    max_failures: float = 0.2
    deadline_s: float = 600.0
    state: RolloutState = RolloutState.RUNNING
    wave: int = 0
    started_unix_s: float = 0.0
    wave_started_unix_s: float = 0.0
    finished_unix_s: float | None = None
    reason: str = ""

    @property
    def number(self) -> int:
        """Which one it is: a newer one has a higher number, whatever the clock said when they started."""
        return int(self.id.removeprefix("r"))


def rollout_id(number: int) -> str:
    return f"r{number}"
