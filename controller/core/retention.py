"""For how long what happened is kept. Durations in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.policy import DAY_S

YEAR_S = 365 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Windows as they came are kept for `windows_s`, at most `bytes` of them: the oldest go first, once they are rolled
    up. The others by age alone, but what the fleet still goes by stays: an incident that is open or was the last one,
    the newest assignment of a device, and the answer to each request for a prune.
    """

    windows_s: float = 7 * DAY_S
    bytes: int = 50 * 2**30
    rollups_s: float = YEAR_S
    events_s: float = 90 * DAY_S
    incidents_s: float = YEAR_S
    jobs_s: float = YEAR_S
    assignments_s: float = 90 * DAY_S
    dead_letters_s: float = 30 * DAY_S
