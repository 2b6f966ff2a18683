"""Amounts in words that err on the safe side: what an operator reads and types back is enough, if by half a percent.

`format_quantity` shows a value to within half a percent, upwards or down.
"""

from __future__ import annotations

import math

from agent.wire.units import Unit, format_quantity

_SAFE = 1.00505


def at_least(value: float, unit: Unit) -> str:
    """`value` or a little more, never less."""
    return format_quantity(value * _SAFE, unit)


def at_most(value: float, unit: Unit) -> str:
    """`value` or a little less, never more."""
    return format_quantity(value / _SAFE, unit)


def celsius_at_most(value: float) -> str:
    return f"{math.floor(value * 10) / 10:.1f} C"


def percent_at_most(share: float) -> str:
    """A tenth less where `share` is even: read back, the text may differ from it in the last bit."""
    return f"{max(math.floor(share * 1000 - 1e-6), 0) / 10:.1f} %"
