"""Latencies in bounded memory, however many there are: counts in buckets that widen by a hundredth each.

As HdrHistogram (G. Tene) does: a quantile is off by at most half a bucket, 0.5 %, whatever the distribution.
"""

from __future__ import annotations

import math
from array import array

_GROWTH = 1.01
_LEAST_S, _MOST_S = 1e-6, 1e3
_BUCKETS = math.ceil(math.log(_MOST_S / _LEAST_S) / math.log(_GROWTH)) + 1


class Histogram:
    """Of latencies in seconds; what lies outside 1 us to 1,000 s counts as that."""

    def __init__(self) -> None:
        self._counts = array("L", bytes(_BUCKETS * array("L").itemsize))
        self._total = 0

    def add(self, latency_s: float) -> None:
        clipped = min(max(latency_s, _LEAST_S), _MOST_S)
        self._counts[round(math.log(clipped / _LEAST_S) / math.log(_GROWTH))] += 1
        self._total += 1

    def quantile(self, share: float) -> float | None:
        """The latency in s that `share` of all do not exceed; None of none."""
        rank, seen = max(1, math.ceil(share * self._total)), 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return _LEAST_S * _GROWTH**index
        return None
