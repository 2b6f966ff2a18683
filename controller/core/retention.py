"""For how long what happened is kept. Durations in seconds."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from controller.core.nouns.bulk import Bulk, BulkState
from controller.core.policy import DAY_S

YEAR_S = 365 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Windows as they came are kept for `windows_s`, at most `bytes` of them: the oldest go first, once they are rolled
    up. The others by age alone, but what the fleet still goes by stays: an incident that is open or was the last one,
    the newest assignment of a device, the answer to each request for a prune, and what was asked of many and runs.
    """

    windows_s: float = 7 * DAY_S
    bytes: int = 50 * 2**30
    rollups_s: float = YEAR_S
    events_s: float = 90 * DAY_S
    incidents_s: float = YEAR_S
    jobs_s: float = YEAR_S
    assignments_s: float = 90 * DAY_S
    bulks_s: float = 90 * DAY_S
    dead_letters_s: float = 30 * DAY_S


def old_bulks(bulks: Collection[Bulk], before_unix_s: float) -> list[Bulk]:
    """Those that ended before, and uploads that began before and never were started. The newest of all stays, so that
    no number is given twice."""
    newest = max((each.number for each in bulks), default=0)
    return [each for each in bulks if each.number != newest and _since_unix_s(each) < before_unix_s]


def _since_unix_s(bulk: Bulk) -> float:
    match bulk.state:
        case BulkState.DONE:
            return bulk.asked_unix_s if bulk.finished_unix_s is None else bulk.finished_unix_s
        case BulkState.UPLOADING:
            return bulk.asked_unix_s
        case BulkState.RUNNING:
            return math.inf
