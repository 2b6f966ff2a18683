"""Figures of many measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all is at or below."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summary(seconds: Sequence[float]) -> Row:
    """In the unit of its keys. Empty without a measurement."""
    if not seconds:
        return {}
    return {
        "count": len(seconds),
        "p50_s": quantile(seconds, 0.5),
        "p99_s": quantile(seconds, 0.99),
        "p999_s": quantile(seconds, 0.999),
        "max_s": max(seconds),
    }
