"""What can happen to the controller: the link speaks, an operator asks, a job moves. Everything enters by one queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from agent.link import Arrived, Connected, LinkEvent
from controller.core.intents import Intent
from controller.core.nouns.variant import Variant
from controller.loop.fleet import Fleet
from controller.pruning.job import JobResult


@dataclass(frozen=True, slots=True)
class Asked:
    """An operator's intent; `answer` gets what came of it, or an `IntentError`."""

    intent: Intent
    answer: Future[str]


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to know of what is committed: `look` is called between two turns, and is soon done."""

    look: Callable[[Fleet], Any]
    answer: Future[Any]


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
    """The bytes of an artifact or of a manifest are gone from this host, and why."""

    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Erased:
    """The broker has confirmed that it retains nothing of a forgotten device any more."""

    device: str


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGTERM or its like."""


Fact = LinkEvent | Asked | Question | JobMoved | JobMade | JobEnded | Lost | Erased | Stop


def without_repeats(facts: Sequence[Fact]) -> list[Fact]:
    """Without messages that the broker has sent again in a later connection, as nobody had acknowledged them."""
    later, kept = set[tuple[str, bytes]](), list[Fact]()
    again = set[tuple[str, bytes]]()
    for fact in reversed(facts):
        if isinstance(fact, Connected):
            again |= later
        elif isinstance(fact, Arrived):
            name = (fact.topic, fact.payload)
            if name in again:
                continue
            later.add(name)
        kept.append(fact)
    return kept[::-1]
