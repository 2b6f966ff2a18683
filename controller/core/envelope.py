"""Profile -> envelope: every declared figure becomes a cap on RAM, on storage or on the latency of one inference.

With rate r, dP = P_busy - P_idle, thermal resistance R, lifetime L and battery efficiency eta:

    t_max = min( deadline, 1/r, (P_sust - P_idle)/(r*dP), (3600*eta*Wh/L - P_idle)/(r*dP) )
    P_sust = (T_limit - guard - T_ambient)/R

A numerator at or below zero means that idle draw alone exceeds the budget: infeasible at any model size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from agent.wire.profile import Power, Profile
from agent.wire.units import Unit, format_quantity
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Cap, Envelope
from controller.core.rounding import at_least, at_most, celsius_at_most


@dataclass(frozen=True, slots=True)
class Impossible:
    """No model of any size fits: what binds (of several budgets the one exceeded most), why, and what would do.

    The answers cover every budget that is exceeded, all of them together enough; of those for one, any will do.
    """

    binding: Constraint
    reason: str
    relaxations: tuple[str, ...]
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class _Exceeded:
    """A budget that is used up before any model runs, by this factor. Each of the relaxations is enough for it."""

    binding: Constraint
    factor: float
    reason: str
    relaxations: tuple[str, ...]


def collapse(profile: Profile, calibration: Calibration, ram_base_bytes: int) -> Envelope | Impossible:
    """The device's envelope. `ram_base_bytes` is the bare runtime's RAM where the device's own is not measured yet."""
    base = calibration.ram_base_bytes or ram_base_bytes
    envelope = Envelope(
        ram_bytes=ram_cap(profile, base),
        storage_bytes=_cap(profile.storage_bytes, Constraint.STORAGE),
        latency_s=_tightest(latency_caps(profile, calibration)),
    )
    used_up = [cap for cap in (*latency_caps(profile, calibration), *ram_caps(profile, base)) if cap.value <= 0]
    return _impossible([_exceeded(profile, calibration, base, cap) for cap in used_up], envelope) or envelope


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


def _impossible(exceeded: list[_Exceeded], envelope: Envelope) -> Impossible | None:
    if not exceeded:
        return None
    exceeded = sorted(exceeded, key=lambda each: -each.factor)
    answers = dict.fromkeys(text for each in exceeded for text in each.relaxations)  # one idle draw answers two budgets
    return Impossible(exceeded[0].binding, "; ".join(each.reason for each in exceeded), tuple(answers), envelope)


def _exceeded(profile: Profile, calibration: Calibration, base_bytes: int, cap: Cap) -> _Exceeded:
    match cap.binding:
        case Constraint.THERMAL:
            return _too_hot_idle(profile, calibration)
        case Constraint.BATTERY:
            return _battery_too_small(profile, calibration)
        case _:
            return _runtime_exceeds(profile, base_bytes)


def _runtime_exceeds(profile: Profile, base_bytes: int) -> _Exceeded:
    total = profile.ram_total_bytes
    assert total is not None
    return _Exceeded(
        Constraint.RAM_TOTAL,
        base_bytes / total,
        f"the runtime alone takes {format_quantity(base_bytes, Unit.BYTES)}, "
        f"memory.total is {format_quantity(total, Unit.BYTES)}",
        (f"memory.total above {at_least(base_bytes, Unit.BYTES)}",),
    )


def _too_hot_idle(profile: Profile, calibration: Calibration) -> _Exceeded:
    thermal, power, sustained = profile.thermal, profile.power, sustained_watts(profile, calibration)
    assert thermal is not None
    assert power is not None
    assert sustained is not None
    ambient, ceiling = ambient_celsius(profile, calibration), thermal.limit_celsius - thermal.guard_celsius
    rise = power.idle_watts * thermal.resistance_celsius_per_watt
    relaxations = [f"surroundings below {celsius_at_most(ceiling - rise)} instead of {ambient:.1f} C"]
    if sustained > 0:
        resistance = at_most((ceiling - ambient) / power.idle_watts, Unit.CELSIUS_PER_WATT)
        relaxations += [_idle_below(profile, calibration), f"a thermal resistance below {resistance}"]
    return _Exceeded(
        Constraint.THERMAL,
        power.idle_watts / sustained if sustained > 0 else math.inf,
        f"idle draw alone ({_watts(power.idle_watts)}) settles at {ambient + rise:.1f} C in {ambient:.1f} C "
        f"surroundings, the ceiling is {ceiling:.1f} C: infeasible at any model size and any rate",
        tuple(relaxations),
    )


def _battery_too_small(profile: Profile, calibration: Calibration) -> _Exceeded:
    battery, power, budget = profile.battery, profile.power, lifetime_watts(profile)
    assert battery is not None
    assert power is not None
    assert budget is not None
    lifetime, capacity = format_quantity(battery.lifetime_s, Unit.SECONDS), battery.capacity_watt_hours
    factor = power.idle_watts / budget
    return _Exceeded(
        Constraint.BATTERY,
        factor,
        f"idle draw alone ({_watts(power.idle_watts)}) exceeds the {_watts(budget)} that {lifetime} on {capacity:g} Wh "
        "allow: infeasible at any model size and any rate",
        (
            f"a lifetime below {at_most(battery.lifetime_s / factor, Unit.SECONDS)} instead of {lifetime}",
            f"a battery above {at_least(capacity * factor, Unit.WATT_HOURS)} instead of {capacity:g} Wh",
            _idle_below(profile, calibration),
        ),
    )


def _idle_below(profile: Profile, calibration: Calibration) -> str:
    """The idle draw that is enough for the heat and for the battery, whichever of them it can help."""
    budgets = [watts for watts, _ in _power_budgets(profile, calibration) if watts > 0]
    return f"an idle draw below {at_most(min(budgets), Unit.WATTS)}"


def _watts(value: float) -> str:
    return format_quantity(value, Unit.WATTS)
