"""What a device measured of itself, over its newest windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from controller.cli.demo.scenes import Observed
from controller.client import Row


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules for each inference at the device's rate, idle draw included, with their source; and what the dense model
    would take, modelled unless it is what runs."""

    joules: float
    source: str
    dense_joules: float


def measured(seen: Observed) -> dict[str, float | None]:
    """Peak RAM of the worker, median of the p95s, highest temperature, mean power."""
    windows = seen.windows
    return {
        "ram_bytes": max((w.ram_peak_bytes for w in windows if w.ram_peak_bytes is not None), default=None),
        "latency_p95_ms": _over(median, [w.latency_p95_ms for w in windows]),
        "temperature_celsius": _over(max, [w.temperature_celsius for w in windows]),
        "power_watts": _over(mean, [w.power_watts for w in windows]),
    }


def model_ram_bytes(seen: Observed) -> float:
    """What the model adds above the device's measured runtime base."""
    return (measured(seen)["ram_bytes"] or 0) - (seen.row["calibration"]["ram_base_bytes"] or 0)


def energy(seen: Observed, dense: Row) -> Energy | None:
    """Of the windows that tell it, else modelled; None where the profile has no power or nothing has run."""
    latency_ms = _over(median, [w.latency_p50_ms for w in seen.windows])
    if seen.profile.power is None or latency_ms is None:
        return None
    told = [w for w in seen.windows if w.energy_per_inference_joules is not None]
    joules = _over(mean, [w.energy_per_inference_joules for w in told])
    source = "modelled" if joules is None else told[-1].power_source or "measured"
    joules = _modelled_joules(seen, latency_ms) if joules is None else joules
    if seen.row["sha256"] == dense["sha256"]:
        return Energy(joules, source, joules)
    return Energy(joules, source, _modelled_joules(seen, dense["latency_p50_ms"] * seen.row["calibration"]["slowness"]))


def _modelled_joules(seen: Observed, latency_ms: float) -> float:
    """E = P_idle / r + (P_busy - P_idle) * t, the mean draw over the rate of inferences."""
    power = seen.profile.power
    assert power is not None
    return power.idle_watts / seen.profile.rate_hz + (power.busy_watts - power.idle_watts) * latency_ms * 1e-3


def _over(summary: Callable[[Sequence[float]], float], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(summary(known)) if known else None
