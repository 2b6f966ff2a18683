"""Which rows a page of a list has: asked of the fleet between two turns, and read from the database by who asked."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from controller.core.intents import IntentError
from controller.core.nouns.bulk import Bulk, BulkState
from controller.core.nouns.device import DeviceState
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.rollout import Rollout, RolloutState
from controller.core.selector import Selector
from controller.loop.fleet import Fleet

S = TypeVar("S", Job, Rollout, Bulk)
Age = tuple[float, str]
"""When a row was made, or which one it was; and its id, among those of the same."""


@dataclass(frozen=True, slots=True)
class Page:
    """The names of its rows, in order; more come after `next`, where it is not None. Of `total` that match, as of
    `commit`."""

    names: list[str]
    total: int
    next: str | None
    commit: int


def page(names: list[str], total: int, limit: int, commit: int) -> Page:
    """Of rows that go by their names, of which `names` are the first, one more than the `limit` where there are."""
    return Page(names[:limit], total, names[limit - 1] if len(names) > limit else None, commit)


def page_by_age(ages: list[Age], total: int, limit: int, commit: int) -> Page:
    """The same of rows that go by age. Who goes on needs no row to be there still: its age is told."""
    told = f"{ages[limit - 1][0]!r},{ages[limit - 1][1]}" if len(ages) > limit else None
    return Page([name for _, name in ages[:limit]], total, told, commit)


def age_in(after: str) -> Age | None:
    """That of the last row of a page, as its `next` told it; None before the first. Raises `IntentError`."""
    if not after:
        return None
    number, _, name = after.partition(",")
    try:
        age = float(number)
    except ValueError:
        age = math.nan
    if not math.isfinite(age) or not name:
        raise IntentError(400, f"after {after!r}: only what the page before told as its next is allowed")
    return age, name


def devices(fleet: Fleet, wanted: Selector, states: Collection[DeviceState], after: str, limit: int) -> Page:
    """By id."""
    found = [*islice(fleet.directory.matching(wanted, states, after), limit + 1)]
    return page(found, fleet.directory.count(wanted, states), limit, fleet.commit)


def all_devices(fleet: Fleet, wanted: Selector) -> tuple[list[str], int]:
    """Every one that matches, and as of which commit."""
    return [*fleet.directory.matching(wanted)], fleet.commit


def jobs(fleet: Fleet, states: Collection[JobState], after: str, limit: int) -> Page:
    """Newest first."""
    found = _those_in(states, fleet.jobs)
    return _newest_first(fleet, ((each.created_unix_s, each.id) for each in found), after, limit)


def rollouts(fleet: Fleet, states: Collection[RolloutState], after: str, limit: int) -> Page:
    """Newest first."""
    found = _those_in(states, fleet.rollouts)
    return _newest_first(fleet, ((each.number, each.id) for each in found), after, limit)


def variants(fleet: Fleet, model: str, after: str, limit: int) -> Page:
    """In the order they were made."""
    found = [each for each in fleet.variants.values() if each.model == model]
    ages, last = sorted((each.created_unix_s, each.sha256) for each in found), age_in(after)
    return page_by_age([each for each in ages if last is None or each > last], len(ages), limit, fleet.commit)


def bulks(fleet: Fleet, states: Collection[BulkState], after: str, limit: int) -> Page:
    """Newest first."""
    found = _those_in(states, fleet.bulks)
    return _newest_first(fleet, ((each.number, each.id) for each in found), after, limit)


def incidents(fleet: Fleet, states: Collection[IncidentState]) -> tuple[int, int]:
    """How many there are in these states, or in any; and as of which commit."""
    return sum(fleet.census.incidents[state] for state in states or IncidentState), fleet.commit


def _those_in(states: Collection[object], rows: Mapping[str, S]) -> list[S]:
    return [each for each in rows.values() if not states or each.state in states]


def _newest_first(fleet: Fleet, found: Iterable[Age], after: str, limit: int) -> Page:
    ages, last = sorted(found, reverse=True), age_in(after)
    return page_by_age([each for each in ages if last is None or each < last], len(ages), limit, fleet.commit)
