"""What can happen to the controller: the link speaks, an operator asks, a job moves. Everything enters by one queue."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from agent.link import LinkEvent
from controller.core.intents import Intent
from controller.core.nouns.variant import Variant
from controller.pruning.job import JobResult


@dataclass(frozen=True, slots=True)
class Asked:
    """An operator's intent; `answer` gets what came of it, or an `IntentError`."""

    intent: Intent
    answer: Future[str]


@dataclass(frozen=True, slots=True)
class JobMoved:
    job: str
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class JobMade:
    """A running job has put a variant on the shelf, of use from now on whatever becomes of the job."""

    job: str
    variant: Variant


@dataclass(frozen=True, slots=True)
class JobEnded:
    job: str
    result: JobResult


@dataclass(frozen=True, slots=True)
class Lost:
    """The bytes of an artifact are gone from this host, and why."""

    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGTERM or its like."""


Fact = LinkEvent | Asked | JobMoved | JobMade | JobEnded | Lost | Stop
