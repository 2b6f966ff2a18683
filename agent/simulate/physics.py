"""Heat and charge of a device, pure: one thermal resistance and one capacity, and a battery that drains.

`T(t) = Ta + (T0 - Ta) * exp(-t / tau) + P * R * (1 - exp(-t / tau))` for a power P that is steady over the step; exact,
so that the size of the step does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What the device is made of. Without a capacity it hangs on the mains."""

    resistance_celsius_per_watt: float
    time_constant_s: float
    idle_watts: float
    busy_watts: float
    battery_watt_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the device is: its temperature and the charge that is left."""

    temperature_celsius: float
    charge_watt_hours: float | None = None


def power_watts(body: Body, duty: float) -> float:
    """The draw at a share `duty` of the time busy; a duty outside 0..1 counts as the nearer end."""
    return body.idle_watts + (body.busy_watts - body.idle_watts) * min(1.0, max(0.0, duty))


def at_rest(body: Body, ambient_celsius: float, battery_percent: float = 100.0) -> Condition:
    """A device that has been switched off for long."""
    charge = None if body.battery_watt_hours is None else body.battery_watt_hours * battery_percent / 100
    return Condition(temperature_celsius=ambient_celsius, charge_watt_hours=charge)


def advance(body: Body, condition: Condition, *, duty: float, ambient_celsius: float, dt_s: float) -> Condition:
    """The condition `dt_s` seconds later."""
    watts = power_watts(body, duty)
    keeps = math.exp(-dt_s / body.time_constant_s)
    settled_celsius = ambient_celsius + watts * body.resistance_celsius_per_watt
    temperature = settled_celsius + (condition.temperature_celsius - settled_celsius) * keeps
    charge = condition.charge_watt_hours
    if charge is not None:
        charge = max(0.0, charge - watts * dt_s / 3600)
    return Condition(temperature_celsius=temperature, charge_watt_hours=charge)


def battery_percent(body: Body, condition: Condition) -> float | None:
    """The share of the charge that is left, 0..100; None on the mains."""
    if body.battery_watt_hours is None or condition.charge_watt_hours is None:
        return None
    return 100 * condition.charge_watt_hours / body.battery_watt_hours
