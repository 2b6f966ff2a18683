"""A device in a rollout, and where it stands there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """Where one member stands in its rollout. LEFT: it was one, and is counted no longer."""

    UNPLACED = "unplaced"
    INFEASIBLE = "infeasible"
    REFUSED = "refused"
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    SOAKING = "soaking"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LEFT = "left"


ENDED = (Standing.SUCCEEDED, Standing.FAILED)
GONE = (Standing.RUNNING, Standing.SOAKING, *ENDED)
"""In these it was assigned something."""

NOT_IN_WAVES = (Standing.INFEASIBLE, Standing.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """`wave` is the one that let it go, None until one does; that is never taken back.

    `since_unix_s` is when it came to its `standing`, `due_unix_s` when time alone ends that, `attempt` the number of
    its newest assignment there. `reason` says why it stands where it does not get on.
    """

    rollout: str
    device: str
    standing: Standing = Standing.UNPLACED
    wave: int | None = None
    since_unix_s: float = 0.0
    due_unix_s: float | None = None
    attempt: int = 0
    reason: str = ""

    @property
    def counts(self) -> bool:
        """The rollout's waves and its end hang on it."""
        return self.standing is not Standing.LEFT
