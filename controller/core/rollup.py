"""Windows into hours, one after the other: in whichever slices that is done, the same comes out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.wire.messages import Window
from controller.core.nouns.rollup import HOUR_S, Rollup, Spread

FIGURES = (
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "temperature_celsius",
    "power_watts",
    "battery_percent",
)
"""Those whose spread is kept."""

_WIDTH = math.log(1.05)
_SHIFT = 20_000  # so that the numbers of what is above 0 are above 0, and of what is below below
_ZERO = "0"


@dataclass(frozen=True, slots=True)
class Came:
    """A window, its row, and whether it was outside the budget."""

    row_id: int
    window: Window
    outside: bool


def hour_of(unix_s: float) -> int:
    return int(unix_s // HOUR_S) * HOUR_S


def with_windows(rollup: Rollup, new: Iterable[Came]) -> Rollup:
    """After some more windows, in the order of their rows; one that is in it already changes nothing."""
    tally = _Tally(rollup)
    for came in new:
        if came.row_id > tally.upto_id:
            tally.add(came)
    return tally.rollup()


def median_of(spread: Spread) -> float:
    """Of the windows, to within 5 %."""
    at, half = 0, (sum(spread.buckets.values()) + 1) // 2
    for bucket in sorted(spread.buckets, key=_order):
        at += spread.buckets[bucket]
        if at >= half:
            return min(max(_middle(bucket), spread.lowest), spread.highest)
    return spread.lowest


def not_heard_s(rollups: Iterable[Rollup], lasted_s: float = HOUR_S) -> float:
    """Of one device in one hour, of which so much has passed: what no window told of."""
    return max(lasted_s - sum(each.heard_s for each in rollups), 0.0)


def _bucket(value: float) -> str:
    if value > 0:
        return str(math.floor(math.log(value) / _WIDTH) + _SHIFT)
    return _ZERO if value == 0 else str(-math.floor(math.log(-value) / _WIDTH) - _SHIFT)


def _order(bucket: str) -> int:
    return int(bucket)


def _middle(bucket: str) -> float:
    number = int(bucket)
    if number == 0:
        return 0.0
    middle = math.exp((abs(number) - _SHIFT + 0.5) * _WIDTH)
    return middle if number > 0 else -middle


class _Tally:
    """A rollup while windows are added to it, one by one, so that sums do not hang on where a slice ends."""

    def __init__(self, before: Rollup) -> None:
        self._before, self.upto_id, self._windows = before, before.upto_id, before.windows
        self._heard_s, self._outside_s, self._throttled_s = before.heard_s, before.outside_s, before.throttled_s
        self._count, self._errors, self._joules = before.count, before.errors, dict(before.joules)
        self._ranges = {name: (each.lowest, each.highest) for name, each in before.spreads.items()}
        self._buckets = {name: dict(each.buckets) for name, each in before.spreads.items()}

    def add(self, came: Came) -> None:
        window, lasted_s = came.window, came.window.duration_s or 0.0
        self.upto_id = came.row_id
        self._windows += 1
        self._heard_s += lasted_s
        self._outside_s += lasted_s if came.outside else 0.0
        self._throttled_s += lasted_s * (window.throttled_share or 0.0)
        self._count += window.count or 0
        self._errors += window.errors or 0
        if window.power_watts is not None:
            source = window.power_source or "measured"
            self._joules[source] = self._joules.get(source, 0.0) + window.power_watts * lasted_s
        for name in FIGURES:
            value: float | None = getattr(window, name)
            if value is not None:
                self._spread(name, value)

    def _spread(self, name: str, value: float) -> None:
        lowest, highest = self._ranges.get(name, (value, value))
        self._ranges[name] = (min(lowest, value), max(highest, value))
        buckets, bucket = self._buckets.setdefault(name, {}), _bucket(value)
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def rollup(self) -> Rollup:
        return replace(
            self._before,
            upto_id=self.upto_id,
            windows=self._windows,
            heard_s=self._heard_s,
            outside_s=self._outside_s,
            throttled_s=self._throttled_s,
            count=self._count,
            errors=self._errors,
            spreads={name: Spread(*self._ranges[name], buckets) for name, buckets in self._buckets.items()},
            joules=self._joules,
        )
