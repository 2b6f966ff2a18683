"""The surroundings that the demo chooses for its incident: too warm for what the device runs, not for everything."""

from __future__ import annotations

import math
from statistics import median

from controller.cli.demo.scenes import Observed

WARMED_DEVICE = "warm-watch"
_CLEARLY_LESS = 0.85


def too_warm(seen: Observed, feasible_s: float) -> float:
    """In degrees Celsius: warm enough that the device breaches its limit at the time that an inference takes it now.

    `feasible_s` is a time that a variant of the model is known to stay inside. What the device may still take is
    halfway from now to there, in proportion.
    """
    thermal, power = seen.profile.thermal, seen.profile.power
    assert thermal is not None
    assert power is not None
    now_s = median(window.latency_p95_ms or 0.0 for window in seen.windows) * 1e-3
    left_s = min(math.sqrt(now_s * feasible_s), _CLEARLY_LESS * now_s)
    watts = power.idle_watts + seen.profile.rate_hz * left_s * (power.busy_watts - power.idle_watts)
    ceiling = thermal.limit_celsius - thermal.guard_celsius
    return ceiling - thermal.resistance_celsius_per_watt * watts
