"""Which rows a page of a list has: asked of the fleet between two turns, and read from the database by who asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from controller.core.intents import IntentError
from controller.core.nouns.bulk import Bulk, BulkState
from controller.core.nouns.device import DeviceState
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.nouns.variant import Variant
from controller.core.selector import Selector
from controller.loop.fleet import Fleet

T = TypeVar("T")
S = TypeVar("S", Job, Rollout, Bulk)
_Age = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Page:
    """The names of its rows, in order; `more` come after them. Of `total` that match, as of `commit`."""

    names: list[str]
    total: int
    more: bool
    commit: int


def devices(fleet: Fleet, wanted: Selector, states: Collection[DeviceState], after: str, limit: int) -> Page:
    """By id."""
    found = [*islice(fleet.directory.matching(wanted, states, after), limit + 1)]
    return Page(found[:limit], fleet.directory.count(wanted, states), len(found) > limit, fleet.commit)


def all_devices(fleet: Fleet, wanted: Selector) -> tuple[list[str], int]:
    """Every one that matches, and as of which commit."""
    return [*fleet.directory.matching(wanted)], fleet.commit


def jobs(fleet: Fleet, states: Collection[JobState], after: str, limit: int) -> Page:
    """Newest first."""
    found = _those_in(states, fleet.jobs)
    return _page(fleet, found, fleet.jobs.get(after), _age_of_job, "job", after, limit)


def rollouts(fleet: Fleet, states: Collection[RolloutState], after: str, limit: int) -> Page:
    """Newest first."""
    found = _those_in(states, fleet.rollouts)
    return _page(fleet, found, fleet.rollouts.get(after), _number, "rollout", after, limit)


def variants(fleet: Fleet, model: str, after: str, limit: int) -> Page:
    """In the order they were made."""
    found = [each for each in fleet.variants.values() if each.model == model]
    last = fleet.variants.get((model, after))
    return _page(fleet, found, last, _age_of_variant, "variant", after, limit, newest_first=False)


def bulks(fleet: Fleet, states: Collection[BulkState], after: str, limit: int) -> Page:
    """Newest first."""
    found = _those_in(states, fleet.bulks)
    return _page(fleet, found, fleet.bulks.get(after), _number, "bulk", after, limit)


def incidents(fleet: Fleet, states: Collection[IncidentState]) -> tuple[int, int]:
    """How many there are in these states, or in any; and as of which commit."""
    return sum(fleet.census.incidents[state] for state in states or IncidentState), fleet.commit


def _those_in(states: Collection[object], rows: Mapping[str, S]) -> list[S]:
    return [each for each in rows.values() if not states or each.state in states]


def _page(
    fleet: Fleet,
    found: list[T],
    last: T | None,
    age: Callable[[T], _Age],
    kind: str,
    after: str,
    limit: int,
    *,
    newest_first: bool = True,
) -> Page:
    if after and last is None:
        raise IntentError(404, f"there is no {kind} {after!r} any more to go on after: begin anew")
    ages = sorted(map(age, found), reverse=newest_first)
    if last is not None:
        ages = [each for each in ages if (each < age(last) if newest_first else each > age(last))]
    return Page([name for _, name in ages[:limit]], len(found), len(ages) > limit, fleet.commit)


def _age_of_job(job: Job) -> _Age:
    return job.created_unix_s, job.id


def _age_of_variant(variant: Variant) -> _Age:
    return variant.created_unix_s, variant.sha256


def _number(numbered: Rollout | Bulk) -> _Age:
    return numbered.number, numbered.id
