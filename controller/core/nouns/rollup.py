"""What is kept of windows once they are gone: one hour of one device on one variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Spread:
    """Of a figure that each window has one of. `buckets` count windows by value, each bucket 5 % wide; in them is the
    median, to within that."""

    lowest: float
    highest: float
    buckets: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """`hour_unix_s` is when the hour began, by the end of its windows or else by when they were received. `sha256` is
    empty for windows in which nothing ran. `upto_id` is the last row that is in it.

    A window's p95 is that of its inferences: what is told of an hour is the spread of its windows' figures, and no
    quantile over all inferences. `throttled_s` and `outside_s` are of the `heard_s` that windows told of; a window was
    judged when it came. `joules` are what the device drew, by the source of its power.
    """

    device: str
    hour_unix_s: int
    sha256: str
    upto_id: int = 0
    windows: int = 0
    heard_s: float = 0.0
    outside_s: float = 0.0
    throttled_s: float = 0.0
    count: int = 0
    errors: int = 0
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    joules: Mapping[str, float] = field(default_factory=dict)
