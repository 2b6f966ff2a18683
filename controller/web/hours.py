"""One hour of a device on one variant, as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from controller.core.nouns.rollup import Rollup
from controller.core.rollup import median_of, not_heard_s
from controller.web.device_views import short

Json = dict[str, Any]


def hour_views(rollups: Sequence[Rollup], first: Sequence[Rollup]) -> list[Json]:
    """Oldest first. What was not heard is of the hour, whichever variants ran; of the newest one, which may not be
    over, it is not told. An hour in which nothing was heard is not there.

    `first` is all that there is of the first hour: of that one a limit may have left out variants.
    """
    hours = {hour: [*its] for hour, its in groupby(rollups, attrgetter("hour_unix_s"))}
    hours |= {each.hour_unix_s: [*first] for each in first}
    newest = max(hours, default=0)
    missing = {hour: None if hour == newest else not_heard_s(its) for hour, its in hours.items()}
    return [_view(each) | {"not_heard_s": missing[each.hour_unix_s]} for each in rollups]


def _view(rollup: Rollup) -> Json:
    """Of each figure the lowest, the median and the highest that a window told: no quantile over all inferences."""
    spreads: Json = {}
    for name, spread in rollup.spreads.items():
        figure, _, unit = name.rpartition("_")
        values = {"lowest": spread.lowest, "median": median_of(spread), "highest": spread.highest}
        spreads |= {f"{figure}_{of}_{unit}": value for of, value in values.items()}
    return {
        "hour_unix_s": rollup.hour_unix_s,
        "variant": short(rollup.sha256 or None),
        "sha256": rollup.sha256 or None,
        "windows": rollup.windows,
        "heard_s": rollup.heard_s,
        "inside_s": rollup.heard_s - rollup.outside_s,
        "outside_s": rollup.outside_s,
        "throttled_s": rollup.throttled_s,
        "count": rollup.count,
        "errors": rollup.errors,
        "joules": dict(rollup.joules),
        **spreads,
    }
