"""Which of a device's figures cannot be, and which cannot stand together. What cannot be is absent.

Both sides hold to it: an agent does not believe its sensors blindly, nor the controller its agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

import msgspec

from agent.wire.bounded import Bounded
from agent.wire.messages import Trial, Window
from agent.wire.ranges import FIELDS, MOST_HZ, OLDEST_S, SOURCED, SOURCES, UNKNOWN, WORDS

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
_UNKNOWN = {"latency_source": UNKNOWN}
_Figures = Callable[[Window | Trial], tuple[float | None, ...]]
M = TypeVar("M", Window, Trial)


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
    if not isinstance(message, Bounded) and not _is_bounded(message):
        return False
    for chain in _chains(type(message)):
        values = [value for value in chain(message) if value is not None]
        if sorted(values) != values:
            return False
    return not any(True for _ in _countless(message, {}))


def _is_bounded(message: Window | Trial) -> bool:
    """Is each figure by itself what can be?"""
    figures, bounds = _bounds(type(message))
    for value, (low, high) in zip(figures(message), bounds, strict=True):
        if value is not None and not low <= value <= high:
            return False
    return not any(True for _ in _unsourced(message))


@cache
def _bounds(kind: type[Window | Trial]) -> tuple[_Figures, list[tuple[float, float]]]:
    """What it has of the figures, and their bounds."""
    known = [name for name in FIELDS if name in kind.__struct_fields__]
    return attrgetter(*known), [(FIELDS[name].low, FIELDS[name].high) for name in known]


@cache
def _chains(kind: type[Window | Trial]) -> list[_Figures]:
    """What it has of those figures of which each is at most the next."""
    chains = [[name for name in names if name in kind.__struct_fields__] for names in _ASCENDING]
    return [attrgetter(*names) for names in chains if len(names) > 1]


def _impossible(message: Window | Trial) -> Iterator[tuple[str, str]]:
    for name, allowed in FIELDS.items():
        value = getattr(message, name, None)
        if value is not None and (why := allowed.why_not(value)):
            yield name, why
    yield from _unsourced(message)


def _unsourced(message: Window | Trial) -> Iterator[tuple[str, str]]:
    for name in SOURCED:
        word: str | None = getattr(message, name, None)
        if word is not None and word not in WORDS:
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
