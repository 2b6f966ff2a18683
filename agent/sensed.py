"""What the sensors said at one moment, and over an interval. Absent is None, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

THROTTLED_BELOW = 0.9
"""Share of the highest ceiling so far below which the kernel's ceiling of the frequency counts as throttling.

The ceiling and not the current frequency: an idle core clocks down by itself. And not below the hardware's maximum: an
owner who chose a mode of less power chose its ceiling.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`capped`: firmware or kernel hold the clock down. `power_package`: the power is that of the processor alone.

    `sources` names what temperature, power, battery ... are read from, also of a value that takes a second look.
    `implausible` tells by the same names why a value that a sensor gave is not believed, `left` which sensors were not
    taken and why, and `faults` which sensor that the configuration names is not there.
    """

    temperature_celsius: float | None = None
    power_watts: float | None = None
    power_package: bool = False
    battery_percent: float | None = None
    battery_discharging: bool | None = None
    frequency_hz: float | None = None
    frequency_ceiling_hz: float | None = None
    frequency_highest_hz: float | None = None
    capped: bool | None = None
    undervoltage: bool | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    implausible: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """Readings of one interval: means of power and frequency, the last of what is a level, the maximum temperature,
    whether the supply was ever too low, what share of its processors was busy and of the time somebody waited for one,
    and why a value was not believed, by `temperature`, `power` ..."""

    temperature_celsius: float | None = None
    temperature_max_celsius: float | None = None
    temperature_mean_celsius: float | None = None
    power_watts: float | None = None
    power_package: bool = False
    battery_percent: float | None = None
    battery_discharging: bool | None = None
    frequency_hz: float | None = None
    throttled_share: float | None = None
    undervoltage: bool | None = None
    host_busy_share: float | None = None
    pressure_share: float | None = None
    implausible: Mapping[str, str] = field(default_factory=dict)


NOTHING = Sensed()


def summarise(readings: Sequence[Reading]) -> Sensed:
    """The interval in which `readings` were taken, oldest first; of none there is nothing to say."""
    if not readings:
        return NOTHING
    last = readings[-1]
    temperatures = known(each.temperature_celsius for each in readings)
    return Sensed(
        temperature_celsius=last.temperature_celsius,
        temperature_max_celsius=max(temperatures, default=None),
        temperature_mean_celsius=mean_known(temperatures),
        power_watts=mean_known(each.power_watts for each in readings),
        power_package=any(each.power_package for each in readings),
        battery_percent=last.battery_percent,
        battery_discharging=last.battery_discharging,
        frequency_hz=mean_known(each.frequency_hz for each in readings),
        throttled_share=mean_known(_throttled(each) for each in readings),
        undervoltage=any_known(each.undervoltage for each in readings),
        implausible={name: why for each in readings for name, why in each.implausible.items()},
    )


def _throttled(reading: Reading) -> float | None:
    if reading.capped is not None:
        return float(reading.capped)
    if reading.frequency_ceiling_hz is None or reading.frequency_highest_hz is None:
        return None
    return float(reading.frequency_ceiling_hz < THROTTLED_BELOW * reading.frequency_highest_hz)


def known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def mean_known(values: Iterable[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    present = known(values)
    return sum(present) / len(present) if present else None


def any_known(values: Iterable[bool | None]) -> bool | None:
    """Whether any that is known is true; None where none is known."""
    present = known(values)
    return any(present) if present else None
