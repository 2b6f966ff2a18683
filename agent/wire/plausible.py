"""What a device's figures can be: a range for each, and what cannot stand together. What cannot be is absent.

Both sides hold to it: an agent does not believe its sensors blindly, nor the controller its agents. The ranges are
wide. They tell a broken driver, a mistaken unit or a lie from a measurement; whether a figure is likely is not asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

import msgspec

from agent.wire.messages import Trial, Window

STEP_S = 10.0
OLDEST_S = 400 * 86_400.0
"""No spool keeps a window for longer."""


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends can be. `step` is the most that it changes within `STEP_S`, where that can be told."""

    low: float
    high: float
    unit: str = ""
    step: float | None = None

    def why_not(self, value: float) -> str:
        """Why `value` cannot be, in words; empty where it can. Rounding at an end is no lie."""
        if self.low - 1e-9 * abs(self.low) <= value <= self.high + 1e-9 * abs(self.high):
            return ""
        return f"{with_unit(value, self.unit)} is outside {self.low:g} to {with_unit(self.high, self.unit)}"


def with_unit(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".rstrip()


# Sensors of semiconductors are specified from -55 to 150 C. A die swings by tens of degrees in seconds as load comes
# and goes; a gauge is recalibrated by a few points, and only another battery is fuller or emptier by a fifth at once.
TEMPERATURE = Range(-60, 150, "C", step=60)
CHARGE = Range(0, 100, "%", step=20)
POWER = Range(0, 5_000, "W")
FREQUENCY = Range(1e5, 2e10, "Hz")
# No clock of a device tells less than a nanosecond, and nobody waits for an answer longer than a day.
LATENCY = Range(1e-6, 86_400_000, "ms")
QUEUE = Range(0, 86_400_000, "ms")
MEMORY = Range(0, 2**40, "bytes")
SHARE = Range(0, 1)
COUNT = Range(0, 1e12)
UPTIME = Range(0, 1e10, "s")
SEQ = Range(0, 2**32)
MOST_HZ = 1e6
"""Inferences a second that no device makes."""

FIELDS = {
    "duration_s": Range(0, 31 * 86_400, "s"),
    "count": COUNT,
    "errors": COUNT,
    "wall_unix_s": Range(0, 1e11, "s"),
    "latency_p50_ms": LATENCY,
    "latency_p95_ms": LATENCY,
    "latency_p99_ms": LATENCY,
    "latency_mean_ms": LATENCY,
    "busy_share": SHARE,
    "cpu_share": Range(0, 4_096),
    "rss_bytes": MEMORY,
    "ram_base_bytes": MEMORY,
    "ram_peak_bytes": MEMORY,
    "temperature_celsius": TEMPERATURE,
    "temperature_max_celsius": TEMPERATURE,
    "temperature_mean_celsius": TEMPERATURE,
    "power_watts": POWER,
    "energy_per_inference_joules": Range(0, 1e9, "J"),
    "battery_percent": CHARGE,
    "frequency_hz": FREQUENCY,
    "throttled_share": SHARE,
    "cpu_per_inference_s": Range(0, 86_400, "s"),
    "host_busy_share": SHARE,
    "pressure_share": SHARE,
    "asked": COUNT,
    "shed": COUNT,
    "queue_mean_ms": QUEUE,
    "queue_p95_ms": QUEUE,
    "emulated_gflops": Range(1e-6, 1e7, "GFLOP/s"),
    "closed_s": UPTIME,
    "now_s": UPTIME,
    "window_s": Range(1e-3, 86_400, "s"),
    "hold_s": Range(0, 86_400, "s"),
}
"""Every figure of a window, a trial and a status that can be told to be wrong."""

SOURCES = ("measured", "package", "modelled", "emulated")
_SOURCE_FIELDS = ("power_source", "latency_source")
_ASCENDING = (
    ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"),
    ("temperature_celsius", "temperature_max_celsius"),
    ("temperature_mean_celsius", "temperature_max_celsius"),
    ("shed", "asked"),
)
# What was worked out from a figure that cannot be goes with it.
_DERIVED = {
    "power_source": ("power_watts",),
    "energy_per_inference_joules": ("power_watts", "duration_s", "count"),
    "busy_share": ("duration_s",),
    "cpu_share": ("duration_s",),
    "cpu_per_inference_s": ("count",),
}
_UNKNOWN = {"latency_source": "unknown"}
_WORDS = frozenset((*SOURCES, *_UNKNOWN.values()))
_Figures = Callable[[Window | Trial], tuple[float | None, ...]]
M = TypeVar("M", Window, Trial)


def believed(name: str, value: float | None) -> float | None:
    """One figure, None also where it cannot be."""
    return None if value is None or FIELDS[name].why_not(value) else value


def why_no_age(window: Window, now_s: float | None) -> str:
    """Why `closed_s` of a window cannot stand beside the `now_s` of its message; empty where it can."""
    closed_s = window.closed_s
    if now_s is None or closed_s is None:
        return ""
    if why := FIELDS["now_s"].why_not(now_s):
        return f"now_s: {why}"
    if 0 <= now_s - closed_s <= OLDEST_S:
        return ""
    return f"closed_s: {closed_s:.6g} s, of a message of {now_s:.6g} s"


def sensible(message: M) -> tuple[M, tuple[str, ...]]:
    """`message` with None for each figure that cannot be, and why, a sentence each; none where all can be."""
    if _is_sound(message):
        return message, ()
    struck: dict[str, str] = dict(_impossible(message))
    struck |= dict(_contradictory(message, struck))
    if not struck:
        return message, ()
    derived: list[str] = [name for name, roots in _DERIVED.items() if not struck.keys().isdisjoint(roots)]
    gone = {name: _UNKNOWN.get(name) for name in (*struck, *derived) if getattr(message, name, None) is not None}
    return msgspec.structs.replace(message, **gone), tuple(f"{name}: {why}" for name, why in struck.items())


def _is_sound(message: Window | Trial) -> bool:
    """Is there nothing to doubt in it, at a glance? As nearly all are so, this is what a message costs."""
    figures, bounds, chains = _glance(type(message))
    for value, (low, high) in zip(figures(message), bounds, strict=True):
        if value is not None and not low <= value <= high:
            return False
    for chain in chains:
        least = -math.inf
        for value in chain(message):
            if value is not None:
                if value < least:
                    return False
                least = value
    return not any(True for _ in _unsourced(message)) and not any(True for _ in _countless(message, {}))


@cache
def _glance(kind: type[Window | Trial]) -> tuple[_Figures, list[tuple[float, float]], list[_Figures]]:
    """What it has of the figures, their bounds, and those of which each is at most the next."""
    its = set(kind.__struct_fields__)
    known = [name for name in FIELDS if name in its]
    chains = [[name for name in names if name in its] for names in _ASCENDING]
    bounds = [(FIELDS[name].low, FIELDS[name].high) for name in known]
    return attrgetter(*known), bounds, [attrgetter(*names) for names in chains if len(names) > 1]


def _impossible(message: Window | Trial) -> Iterator[tuple[str, str]]:
    for name, allowed in FIELDS.items():
        value = getattr(message, name, None)
        if value is not None and (why := allowed.why_not(value)):
            yield name, why
    yield from _unsourced(message)


def _unsourced(message: Window | Trial) -> Iterator[tuple[str, str]]:
    for name in _SOURCE_FIELDS:
        word: str | None = getattr(message, name, None)
        if word is not None and word not in _WORDS:
            yield name, f"{word[:20]!r} is none of {', '.join(SOURCES)}"


def _contradictory(message: Window | Trial, struck: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Figures of which each can be, but not all of them; which one is wrong nobody knows."""
    for names in _ASCENDING:
        known = [(name, getattr(message, name, None)) for name in names if name not in struck]
        rising = [(name, value) for name, value in known if value is not None]
        for (lower, low), (upper, high) in pairwise(rising):
            if low > high + 1e-6 * max(abs(low), abs(high)):
                yield from dict.fromkeys((lower, upper), f"{lower} {low:.6g} is above {upper} {high:.6g}").items()
    yield from _countless(message, struck)


def _countless(message: Window | Trial, struck: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Counts that no device comes to in that time."""
    if isinstance(message, Window) and message.duration_s is not None and "duration_s" not in struck:
        for name in ("count", "errors", "asked"):
            number = getattr(message, name)
            if name not in struck and number is not None and number > message.duration_s * MOST_HZ + 1:
                yield name, f"{number} in {message.duration_s:.6g} s"
