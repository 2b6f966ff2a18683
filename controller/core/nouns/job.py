"""Work on a model: what it is to make, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.sparsity import SparsityReport


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


class JobKind(StrEnum):
    """What a job makes: the dense variant, one under caps, a ladder of them, a report on unstructured sparsity, or a
    better variant under the caps of a prune that is done."""

    DENSE = "dense"
    PRUNE = "prune"
    LADDER = "ladder"
    UNSTRUCTURED = "unstructured"
    REFINE = "refine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a prune was *modelled* to win, in shares of right answers, against the variant that fitted best before it.

    `win` is expected, `high` the upper 90 % limit; `error` is the standard error of such a difference on the gate, and
    `scale` what residuals are told in, see `controller.core.pays` (0: the error itself).
    """

    against: str
    win: float
    high: float
    error: float
    scale: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneJob:
    """A job on a model: to `caps` (prune, refine), of so many `rungs` (ladder), or with this `share` of zeros
    (unstructured).

    INFEASIBLE: no variant at the accuracy floor or above fits; `sha256` is the closest one. `asked`: an operator wants
    it, whether or not a device waits for it. `audit`: it was predicted not to pay and is made all the same, to hold
    predictions against. `least`: no structure of the model was measured below any of these, in any precision.
    `budget_s`: of a refine how long it may take in all; of a prune that of the refine which follows it, None as its
    model says. `retry`: a failure may pass by itself.
    """

    id: str
    model: str
    kind: JobKind = JobKind.PRUNE
    caps: Caps = field(default_factory=Caps)
    rungs: int | None = None
    share: float | None = None
    asked: bool = False
    audit: bool = False
    budget_s: float | None = None
    prediction: Prediction | None = None
    state: JobState = JobState.QUEUED
    sha256: str | None = None
    binding: Constraint | None = None
    least: Caps | None = None
    detail: str = ""
    report: SparsityReport | None = None
    retry: bool = True
    attempts: int = 0
    created_unix_s: float = 0.0
    finished_unix_s: float | None = None

    @property
    def key(self) -> str:
        """Equal requests for a model have equal keys; of a dense job and of a prune it is that of the caps."""
        match self.kind:
            case JobKind.LADDER:
                return f"ladder rungs={self.rungs}"
            case JobKind.UNSTRUCTURED:
                return f"unstructured share={self.share:.4g}"
            case JobKind.REFINE:
                return f"refine {self.caps.key}"
            case _:
                return self.caps.key
