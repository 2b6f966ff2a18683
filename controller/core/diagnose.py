"""Why a device breaches, and what that teaches: slow, throttled, hot, draining, memory or contention.

A diagnosis that names a calibration leads to a new fit; one without (contention) is waited out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from statistics import median

from agent.wire.messages import Window
from agent.wire.profile import Power, Profile, Thermal
from controller.core import calibrate
from controller.core.envelope import ambient_celsius, busy_watts
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.incident import BreachKind
from controller.core.nouns.variant import Variant
from controller.core.nouns.window import StoredWindow


class Cause(StrEnum):
    SLOW = "slow"
    THROTTLED = "throttled"
    HOT = "hot"
    DRAINING = "draining"
    MEMORY = "memory"
    CONTENTION = "contention"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    cause: Cause
    text: str
    calibration: Calibration | None


_THROTTLED_SHARE = 0.2
_TAIL = 3.0  # p95 this many times the median, with the median as predicted, is somebody else's load
_AMBIENT_STEP_CELSIUS = 1.0
_DRAW_STEP = 1.03


def diagnose(
    kind: BreachKind,
    profile: Profile,
    calibration: Calibration,
    variant: Variant,
    windows: Sequence[StoredWindow],
) -> Diagnosis:
    """Compare the newest windows (oldest first, at least one) with what was predicted for this device."""
    newest = [stored.window for stored in windows]
    match kind:
        case BreachKind.TEMPERATURE:
            return _hot(profile, calibration, variant, newest)
        case BreachKind.LATENCY:
            return _slow(profile, calibration, variant, newest)
        case BreachKind.BATTERY:
            return _draining(profile, calibration, variant, newest)
        case BreachKind.MEMORY:
            return _memory(calibration, variant, newest)


def surroundings_celsius(thermal: Thermal, windows: Sequence[Window]) -> float | None:
    """The ambient temperature that explains the windows, each with its last temperature and its mean power.

    From T[k+1] = a*T[k] + (1-a)*(Ta + R*P[k+1]) with a = exp(-dt/tau), summed over all windows that follow another: a
    sensor's noise cancels from one to the next. Without tau, or such a pair, the newest window counts as settled.
    """
    rises, weights = 0.0, 0.0
    for before, after in pairwise(windows):
        terms = _step_of(thermal, before, after)
        rises, weights = rises + terms[0], weights + terms[1]
    if weights > 0:
        return rises / weights
    settled = [(w.temperature_celsius, w.power_watts) for w in windows]
    known = [(celsius, watts) for celsius, watts in settled if celsius is not None and watts is not None]
    return known[-1][0] - known[-1][1] * thermal.resistance_celsius_per_watt if known else None


def _step_of(thermal: Thermal, before: Window, after: Window) -> tuple[float, float]:
    """(1-a)*Ta and 1-a, as one window after another has them; zeros where they are not known."""
    start, end, watts = before.temperature_celsius, after.temperature_celsius, after.power_watts
    if thermal.time_constant_s is None or start is None or end is None or watts is None:
        return 0.0, 0.0
    if after.seq != before.seq + 1 or after.duration_s is None or after.duration_s <= 0:
        return 0.0, 0.0
    decay = math.exp(-after.duration_s / thermal.time_constant_s)
    share = 1.0 - decay
    return end - decay * start - share * thermal.resistance_celsius_per_watt * watts, share


def _hot(profile: Profile, calibration: Calibration, variant: Variant, windows: Sequence[Window]) -> Diagnosis:
    assert profile.thermal is not None
    assumed = ambient_celsius(profile, calibration)
    found = surroundings_celsius(profile.thermal, windows)
    if found is not None and found > assumed + _AMBIENT_STEP_CELSIUS:
        text = f"the surroundings are at {found:.1f} C, not {assumed:.1f} C; latency and power are as predicted"
        return Diagnosis(Cause.HOT, text, replace(calibration, ambient_celsius=found))
    return _draining(profile, calibration, variant, windows)


def _slow(profile: Profile, calibration: Calibration, variant: Variant, windows: Sequence[Window]) -> Diagnosis:
    p95_s = median_of([w.latency_p95_ms for w in windows], 1e-3)
    p50_s = median_of([w.latency_p50_ms for w in windows], 1e-3)
    predicted_s = calibrate.predicted_latency_s(profile, calibration, variant)
    if p95_s is None or p50_s is None:
        return Diagnosis(Cause.CONTENTION, "no latency was measured in these windows", None)
    if p50_s <= predicted_s and p95_s > _TAIL * p50_s:
        text = f"the median ({p50_s * 1e3:.3g} ms) is as predicted, only the tail is slow"
        return Diagnosis(Cause.CONTENTION, text, None)
    if p95_s <= predicted_s:
        return Diagnosis(Cause.CONTENTION, f"p95 ({p95_s * 1e3:.3g} ms) is as predicted: the load is another's", None)
    throttled = median_of([w.throttled_share for w in windows], 1.0) or 0.0
    cause = Cause.THROTTLED if throttled >= _THROTTLED_SHARE else Cause.SLOW
    text = f"p95 is {p95_s * 1e3:.3g} ms where at most {predicted_s * 1e3:.3g} ms was predicted"
    text += f", throttled {throttled:.0%} of the time" if cause is Cause.THROTTLED else ", at a steady frequency"
    samples = min(calibration.slowness_samples + len(windows), 20)
    learned = replace(calibration, slowness=p95_s / variant.latency_p95_s, slowness_samples=samples)
    return Diagnosis(cause, text, learned)


def _draining(profile: Profile, calibration: Calibration, variant: Variant, windows: Sequence[Window]) -> Diagnosis:
    """The busy draw that explains the measured power; if that is as assumed, the device is slower than thought."""
    found, power = drawn_watts(profile.power, windows), profile.power
    if found is not None and power is not None:
        assumed = busy_watts(power, calibration)
        if found > assumed * _DRAW_STEP:
            text = f"it draws {found:.3g} W while busy, not {assumed:.3g} W"
            return Diagnosis(Cause.DRAINING, text, replace(calibration, busy_watts=found))
    return _slow(profile, calibration, variant, windows)


def drawn_watts(power: Power | None, windows: Sequence[Window]) -> float | None:
    """From P = P_idle + share*(P_busy - P_idle); the median, as a trial's burst is in one window's power alone."""
    rows = [(w.power_watts, w.busy_share) for w in windows if w.power_watts is not None and w.busy_share]
    if power is None or not rows:
        return None
    return power.idle_watts + median((watts - power.idle_watts) / share for watts, share in rows if share)


def _memory(calibration: Calibration, variant: Variant, windows: Sequence[Window]) -> Diagnosis:
    peak = max((w.ram_peak_bytes for w in windows if w.ram_peak_bytes is not None), default=None)
    base = calibration.ram_base_bytes
    if peak is None or base is None:
        return Diagnosis(Cause.MEMORY, "the worker is above its RAM cap and its base was never measured", None)
    extra = max(peak - base - variant.ram_bytes, 0)
    text = f"it takes {extra / 2**20:.3g} MiB more in service than the reference run"
    return Diagnosis(Cause.MEMORY, text, replace(calibration, ram_extra_bytes=extra))


def median_of(values: Sequence[float | None], scale: float) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) * scale if known else None
