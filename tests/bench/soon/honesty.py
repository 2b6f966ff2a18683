"""The progress bar against the clock: how far off the time left was that somebody saw who looked once a second.

It is what the words say ("about 20 s left"); where they say nothing, what the share that is done lets expect. Nobody is
held to the first third of a job, nor to its last two seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from tests.bench.soon.stages import Tick

ALLOWED = 0.5
_FROM, _UNTIL_S, _MOST = 1 / 3, 2.0, 99.0
_LEFT = re.compile(r"(\d+(?:\.\d+)?) (s|min|h) left")
_UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
Row = dict[str, Any]


def honesty(ticks: Sequence[Tick], ended_s: float) -> Row:
    """Of all looks the median and the worst error, as a share of the time that was truly left, and how many were within
    what is allowed; `by_share` the same where words are not listened to."""
    shown = list(_looks(ticks, ended_s, listen=True))
    return _summary(shown) | {"by_share": _summary(list(_looks(ticks, ended_s, listen=False)))}


def _looks(ticks: Sequence[Tick], ended_s: float, listen: bool) -> Iterator[float]:
    now_s, number = ended_s * _FROM, 0
    while ticks and now_s < ended_s - _UNTIL_S:
        while number + 1 < len(ticks) and ticks[number + 1][0] <= now_s:
            number += 1
        true_s = ended_s - now_s
        yield min(abs(_left_s(ticks[number], now_s, listen) - true_s) / true_s, _MOST)
        now_s += 1.0


def _left_s(tick: Tick, now_s: float, listen: bool) -> float:
    _, share, words = tick
    said = _LEFT.search(words) if listen else None
    if said is not None:
        return float(said[1]) * _UNITS_S[said[2]]
    return now_s * (1 - share) / max(share, 1e-3)


def _summary(errors: list[float]) -> Row:
    if not errors:  # it was over too soon to look
        return {"looks": 0, "median": 0.0, "worst": 0.0, "within": 1.0}
    within = sum(each <= ALLOWED for each in errors) / len(errors)
    return {"looks": len(errors), "median": median(errors), "worst": max(errors), "within": within}
