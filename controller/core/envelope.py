"""Profile -> envelope: every declared figure becomes a cap on RAM, on storage or on the latency of one inference.

With rate r, dP = P_busy - P_idle, thermal resistance R, lifetime L and battery efficiency eta:

    t_max = min( deadline, 1/r, (P_sust - P_idle)/(r*dP), (3600*eta*Wh/L - P_idle)/(r*dP) )
    P_sust = (T_limit - guard - T_ambient)/R

A numerator at or below zero means that idle draw alone exceeds the budget: infeasible at any model size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.wire.profile import Power, Profile
from agent.wire.units import Unit, format_quantity
from controller.core.rounding import at_least, at_most, celsius_at_most
from controller.core.types import Calibration, Cap, Constraint, Envelope


@dataclass(frozen=True, slots=True)
class Impossible:
    """No model of any size fits: what binds, why, and what would have to change."""

    binding: Constraint
    reason: str
    relaxations: tuple[str, ...]
    envelope: Envelope


def collapse(profile: Profile, calibration: Calibration, ram_base_bytes: int) -> Envelope | Impossible:
    """The device's envelope. `ram_base_bytes` is the bare runtime's RAM where the device's own is not measured yet."""
    base = calibration.ram_base_bytes or ram_base_bytes
    envelope = Envelope(
        ram_bytes=ram_cap(profile, base),
        storage_bytes=_cap(profile.storage_bytes, Constraint.STORAGE),
        latency_s=_tightest(latency_caps(profile, calibration)),
    )
    if envelope.latency_s is not None and envelope.latency_s.value <= 0:
        return _idle_exceeds(profile, calibration, envelope)
    if envelope.ram_bytes is not None and envelope.ram_bytes.value <= 0:
        return _runtime_exceeds(base, profile, envelope)
    return envelope


def sustained_watts(profile: Profile, calibration: Calibration) -> float | None:
    """The mean power at which the device settles at its limit less the guard."""
    thermal = profile.thermal
    if thermal is None:
        return None
    ceiling = thermal.limit_celsius - thermal.guard_celsius
    return (ceiling - ambient_celsius(profile, calibration)) / thermal.resistance_celsius_per_watt


def lifetime_watts(profile: Profile) -> float | None:
    """The mean power at which the battery lasts its declared lifetime."""
    battery = profile.battery
    if battery is None:
        return None
    return 3600.0 * battery.efficiency * battery.capacity_watt_hours / battery.lifetime_s


def ambient_celsius(profile: Profile, calibration: Calibration) -> float:
    assert profile.thermal is not None
    measured = calibration.ambient_celsius
    return profile.thermal.ambient_celsius if measured is None else measured


def busy_watts(power: Power, calibration: Calibration) -> float:
    return power.busy_watts if calibration.busy_watts is None else calibration.busy_watts


def power_cap_s(watts: float, rate_hz: float, power: Power, calibration: Calibration) -> float:
    """The latency at which running at `rate_hz` draws `watts` on average; 0 or below where idling draws more."""
    return (watts - power.idle_watts) / (rate_hz * (busy_watts(power, calibration) - power.idle_watts))


def latency_caps(profile: Profile, calibration: Calibration) -> Iterator[Cap]:
    if profile.deadline_s is not None:
        yield Cap(profile.deadline_s, Constraint.DEADLINE)
    yield Cap(1.0 / profile.rate_hz, Constraint.RATE)
    for watts, constraint in _power_budgets(profile, calibration):
        assert profile.power is not None
        yield Cap(power_cap_s(watts, profile.rate_hz, profile.power, calibration), constraint)


def _power_budgets(profile: Profile, calibration: Calibration) -> Iterator[tuple[float, Constraint]]:
    sustained, lifetime = sustained_watts(profile, calibration), lifetime_watts(profile)
    if sustained is not None:
        yield sustained, Constraint.THERMAL
    if lifetime is not None:
        yield lifetime, Constraint.BATTERY


def ram_caps(profile: Profile, base_bytes: int) -> Iterator[Cap]:
    """The declared caps, each on what a model adds above the runtime's base."""
    if profile.ram_model_bytes is not None:
        yield Cap(profile.ram_model_bytes, Constraint.RAM_MODEL)
    if profile.ram_total_bytes is not None:
        yield Cap(profile.ram_total_bytes - base_bytes, Constraint.RAM_TOTAL)


def ram_cap(profile: Profile, base_bytes: int) -> Cap | None:
    return _tightest(ram_caps(profile, base_bytes))


def _tightest(caps: Iterator[Cap]) -> Cap | None:
    return min(caps, key=lambda cap: cap.value, default=None)


def _cap(value: int | None, binding: Constraint) -> Cap | None:
    return None if value is None else Cap(value, binding)


def _runtime_exceeds(base_bytes: int, profile: Profile, envelope: Envelope) -> Impossible:
    need = format_quantity(base_bytes, Unit.BYTES)
    total = format_quantity(profile.ram_total_bytes or 0, Unit.BYTES)
    return Impossible(
        Constraint.RAM_TOTAL,
        f"the runtime alone takes {need}, memory.total is {total}",
        (f"memory.total above {at_least(base_bytes, Unit.BYTES)}",),
        envelope,
    )


def _idle_exceeds(profile: Profile, calibration: Calibration, envelope: Envelope) -> Impossible:
    assert envelope.latency_s is not None
    assert profile.power is not None
    if envelope.latency_s.binding is Constraint.BATTERY:
        return _battery_too_small(profile, profile.power.idle_watts, envelope)
    return _too_hot_idle(profile, calibration, profile.power.idle_watts, envelope)


def _too_hot_idle(profile: Profile, calibration: Calibration, idle_watts: float, envelope: Envelope) -> Impossible:
    thermal, ambient = profile.thermal, ambient_celsius(profile, calibration)
    assert thermal is not None
    ceiling = thermal.limit_celsius - thermal.guard_celsius
    rise = idle_watts * thermal.resistance_celsius_per_watt
    relaxations = [f"surroundings below {celsius_at_most(ceiling - rise)} instead of {ambient:.1f} C"]
    if ambient < ceiling:
        room = ceiling - ambient
        relaxations += [
            f"an idle draw below {at_most(room / thermal.resistance_celsius_per_watt, Unit.WATTS)}",
            f"a thermal resistance below {at_most(room / idle_watts, Unit.CELSIUS_PER_WATT)}",
        ]
    return Impossible(
        Constraint.THERMAL,
        f"idle draw alone ({_watts(idle_watts)}) settles at {ambient + rise:.1f} C in {ambient:.1f} C surroundings, "
        f"the ceiling is {ceiling:.1f} C: infeasible at any model size and any rate",
        tuple(relaxations),
        envelope,
    )


def _battery_too_small(profile: Profile, idle_watts: float, envelope: Envelope) -> Impossible:
    battery, budget = profile.battery, lifetime_watts(profile)
    assert battery is not None
    assert budget is not None
    lifetime, capacity = format_quantity(battery.lifetime_s, Unit.SECONDS), battery.capacity_watt_hours
    return Impossible(
        Constraint.BATTERY,
        f"idle draw alone ({_watts(idle_watts)}) exceeds the {_watts(budget)} that {lifetime} on {capacity:g} Wh "
        "allow: infeasible at any model size and any rate",
        (
            f"a lifetime below {at_most(battery.lifetime_s * budget / idle_watts, Unit.SECONDS)} instead of {lifetime}",
            f"a battery above {at_least(capacity * idle_watts / budget, Unit.WATT_HOURS)} instead of {capacity:g} Wh",
            f"an idle draw below {at_most(budget, Unit.WATTS)}",
        ),
        envelope,
    )


def _watts(value: float) -> str:
    return format_quantity(value, Unit.WATTS)
