"""The patience of the loop, as numbers that an operator may set. Durations in seconds."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A breach is `breach_windows` of the last `breach_of` windows, with at least `min_samples` inferences in them.

    An incident is repaired after `healthy_windows` good ones in a row, and given up after `repair_deadline_s`. After it
    the device is left alone for `cooldown_s`, and it may have `incidents_a_day`. `resend_s` is how long an assignment
    may stay unanswered by a connected device before it is sent again. Of the prunes that are predicted not to pay one
    in `audit_one_in` is made all the same when nothing else is to do, so that predictions stay honest.
    `refute_s` is how long no window must have agreed with a learned figure before it comes down; a whole day, as the
    surroundings of night tell nothing of noon.
    A device is quiet once it has missed `quiet_windows` windows, and for `quiet_least_s`, beyond what it may hold back;
    `default_window_s` and `default_hold_s` are those of agents that do not tell theirs. A window that was closed more
    than `history_s` before it came is history, and judged by nobody: more than any device holds back.
    """

    breach_windows: int = 3
    breach_of: int = 5
    min_samples: int = 10
    healthy_windows: int = 3
    repair_deadline_s: float = 1800.0
    cooldown_s: float = 600.0
    incidents_a_day: int = 6
    soak_s: float = 60.0
    resend_s: float = 15.0
    retry_s: float = 60.0
    attempts: int = 3
    refute_s: float = 86_400.0
    parallel_jobs: int = 1
    audit_one_in: int = 20
    quiet_windows: int = 4
    quiet_least_s: float = 20.0
    default_window_s: float = 30.0
    default_hold_s: float = 900.0
    history_s: float = 1800.0

    @property
    def windows_seen(self) -> int:
        """No decision looks at more of a device's newest windows."""
        return max(self.breach_of, self.breach_windows, self.healthy_windows)

    @property
    def longest_s(self) -> float:
        """No decision asks whether something happened longer ago than this."""
        return max(DAY_S, self.repair_deadline_s, self.cooldown_s, self.soak_s, self.resend_s, self.retry_s)
