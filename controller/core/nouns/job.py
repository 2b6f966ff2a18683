"""A job on a model: how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from controller.core.nouns.caps import Caps
from controller.core.nouns.work import JobKind, Prune, Work, caps_of


class JobState(StrEnum):
    """STOPPING: it runs, and was told to end, as something else is to do; it is queued again once it has."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


AT_WORK = (JobState.RUNNING, JobState.STOPPING)
UNFINISHED = (JobState.QUEUED, *AT_WORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be made of a model, and what every job has, whatever that is.

    INFEASIBLE: no variant at the accuracy floor or above fits; `sha256` is the closest one. `asked`: an operator wants
    it, whether or not a device waits for it. `retry`: a failure may pass by itself.
    """

    id: str
    model: str
    work: Work
    asked: bool = False
    state: JobState = JobState.QUEUED
    sha256: str | None = None
    detail: str = ""
    retry: bool = True
    attempts: int = 0
    created_unix_s: float = 0.0
    finished_unix_s: float | None = None

    @property
    def kind(self) -> JobKind:
        return self.work.kind

    @property
    def key(self) -> str:
        """Equal requests for a model have equal keys; of a dense job and of a prune it is that of the caps."""
        return self.work.key

    @property
    def caps(self) -> Caps:
        return caps_of(self.work)


def prunes(jobs: Iterable[Job]) -> list[tuple[Job, Prune]]:
    """The prunes among them, each with what it is to make."""
    return [(job, job.work) for job in jobs if isinstance(job.work, Prune)]
