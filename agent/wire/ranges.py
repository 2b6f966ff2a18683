"""What each of a device's figures can be by itself.

The ranges are wide. They tell a broken driver, a mistaken unit or a lie from a measurement; whether a figure is likely
is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP_S = 10.0
OLDEST_S = 400 * 86_400.0
"""No spool keeps a window for longer."""


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends can be. `step` is the most that it changes within `STEP_S`, where that can be told."""

    low: float
    high: float
    unit: str = ""
    step: float | None = None

    def why_not(self, value: float) -> str:
        """Why `value` cannot be, in words; empty where it can. Rounding at an end is no lie."""
        if self.low - 1e-9 * abs(self.low) <= value <= self.high + 1e-9 * abs(self.high):
            return ""
        return f"{with_unit(value, self.unit)} is outside {self.low:g} to {with_unit(self.high, self.unit)}"


def with_unit(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".rstrip()


# Sensors of semiconductors are specified from -55 to 150 C. A die swings by tens of degrees in seconds as load comes
# and goes; a gauge is recalibrated by a few points, and only another battery is fuller or emptier by a fifth at once.
TEMPERATURE = Range(-60, 150, "C", step=60)
CHARGE = Range(0, 100, "%", step=20)
POWER = Range(0, 5_000, "W")
FREQUENCY = Range(1e5, 2e10, "Hz")
# No clock of a device tells less than a nanosecond, and nobody waits for an answer longer than a day.
LATENCY = Range(1e-6, 86_400_000, "ms")
QUEUE = Range(0, 86_400_000, "ms")
MEMORY = Range(0, 2**40, "bytes")
SHARE = Range(0, 1)
COUNT = Range(0, 1e12)
UPTIME = Range(0, 1e10, "s")
SEQ = Range(0, 2**32)
MOST_HZ = 1e6
"""Inferences a second that no device makes."""

FIELDS = {
    "duration_s": Range(0, 31 * 86_400, "s"),
    "count": COUNT,
    "errors": COUNT,
    "wall_unix_s": Range(0, 1e11, "s"),
    "latency_p50_ms": LATENCY,
    "latency_p95_ms": LATENCY,
    "latency_p99_ms": LATENCY,
    "latency_mean_ms": LATENCY,
    "busy_share": SHARE,
    "cpu_share": Range(0, 4_096),
    "rss_bytes": MEMORY,
    "ram_base_bytes": MEMORY,
    "ram_peak_bytes": MEMORY,
    "temperature_celsius": TEMPERATURE,
    "temperature_max_celsius": TEMPERATURE,
    "temperature_mean_celsius": TEMPERATURE,
    "power_watts": POWER,
    "energy_per_inference_joules": Range(0, 1e9, "J"),
    "battery_percent": CHARGE,
    "frequency_hz": FREQUENCY,
    "throttled_share": SHARE,
    "cpu_per_inference_s": Range(0, 86_400, "s"),
    "host_busy_share": SHARE,
    "pressure_share": SHARE,
    "asked": COUNT,
    "shed": COUNT,
    "queue_mean_ms": QUEUE,
    "queue_p95_ms": QUEUE,
    "emulated_gflops": Range(1e-6, 1e7, "GFLOP/s"),
    "closed_s": UPTIME,
    "now_s": UPTIME,
    "window_s": Range(1e-3, 86_400, "s"),
    "hold_s": Range(0, 86_400, "s"),
}
"""Every figure of a window, a trial and a status that can be told to be wrong."""

SOURCES = ("measured", "package", "modelled", "emulated")
SOURCED = ("power_source", "latency_source")
UNKNOWN = "unknown"
WORDS = frozenset((*SOURCES, UNKNOWN))
"""What those that say where a figure is from may say."""


def believed(name: str, value: float | None) -> float | None:
    """One figure, None also where it cannot be."""
    return None if value is None or FIELDS[name].why_not(value) else value
