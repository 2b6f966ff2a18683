"""What the sensors said at one moment, and over an interval. Absent is None, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

THROTTLED_BELOW = 0.9
"""Share of the hardware's maximum frequency below which the kernel's ceiling counts as throttling.

The ceiling and not the current frequency: an idle core clocks down by itself.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`capped`: the firmware holds the clock down. `sources` names the sensor of temperature, power, battery ..."""

    temperature_celsius: float | None = None
    power_watts: float | None = None
    battery_percent: float | None = None
    battery_discharging: bool | None = None
    frequency_hz: float | None = None
    frequency_ceiling_hz: float | None = None
    frequency_max_hz: float | None = None
    capped: bool | None = None
    undervoltage: bool | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """Readings of one interval: means of power and frequency, the last of what is a level, the maximum temperature,
    and whether the supply was ever too low."""

    temperature_celsius: float | None = None
    temperature_max_celsius: float | None = None
    temperature_mean_celsius: float | None = None
    power_watts: float | None = None
    battery_percent: float | None = None
    battery_discharging: bool | None = None
    frequency_hz: float | None = None
    throttled_share: float | None = None
    undervoltage: bool | None = None


NOTHING = Sensed()


def summarise(readings: Sequence[Reading]) -> Sensed:
    """The interval in which `readings` were taken, oldest first; of none there is nothing to say."""
    if not readings:
        return NOTHING
    last = readings[-1]
    temperatures = [each.temperature_celsius for each in readings if each.temperature_celsius is not None]
    return Sensed(
        temperature_celsius=last.temperature_celsius,
        temperature_max_celsius=max(temperatures, default=None),
        temperature_mean_celsius=_mean(temperatures),
        power_watts=_mean(each.power_watts for each in readings),
        battery_percent=last.battery_percent,
        battery_discharging=last.battery_discharging,
        frequency_hz=_mean(each.frequency_hz for each in readings),
        throttled_share=_mean(_throttled(each) for each in readings),
        undervoltage=_ever(each.undervoltage for each in readings),
    )


def _throttled(reading: Reading) -> float | None:
    if reading.capped:
        return 1.0
    if reading.frequency_ceiling_hz is None or not reading.frequency_max_hz:
        return None if reading.capped is None else 0.0
    return float(reading.frequency_ceiling_hz < THROTTLED_BELOW * reading.frequency_max_hz)


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def _ever(values: Iterable[bool | None]) -> bool | None:
    present = [value for value in values if value is not None]
    return any(present) if present else None
