"""What would have to give for a variant to fit: one answer for each cap that it exceeds, all of them together enough.

Where several answers name the same cap (a lower rate or cooler surroundings), one of them will do. Under bare caps each
answer will do by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.wire.profile import Profile
from agent.wire.units import Unit, format_quantity
from controller.core import calibrate
from controller.core.caps import sure, use, uses
from controller.core.costs import Use, uses_between
from controller.core.envelope import busy_watts, latency_caps, lifetime_watts, ram_caps
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Cap
from controller.core.nouns.variant import Variant
from controller.core.rounding import at_least, at_most, celsius_at_most, percent_at_most

UNTRIED = "by cost: whether so small a variant is right enough was not tried"
_NAMES = {Constraint.RAM_TOTAL: "memory.total", Constraint.RAM_MODEL: "memory.model"}


def relaxations(profile: Profile, calibration: Calibration, ram_base_bytes: int, closest: Variant) -> tuple[str, ...]:
    """For each cap that `closest` exceeds, in words: how much more, or the rate, ambient or lifetime that would do."""
    latency_s = calibrate.predicted_latency_s(profile, calibration, closest)
    exceeded = [cap for cap in latency_caps(profile, calibration) if cap.value < latency_s]
    return (
        *_ram(profile, calibration, ram_base_bytes, calibrate.predicted_ram_bytes(calibration, closest)),
        *_storage(profile, closest.size_bytes),
        *_deadline(exceeded, latency_s),
        *_rate(profile, exceeded, latency_s),
        *_power(profile, calibration, exceeded, latency_s),
    )


def lower_floor(variant: Variant) -> str:
    """The accuracy floor under which a `variant` of known accuracy may ship. A model's own floor never changes."""
    assert variant.accuracy is not None
    return f"a floor of {percent_at_most(variant.accuracy)}, under a new version of the model"


def relaxations_of_caps(caps: Caps, variants: Sequence[Variant], least: Caps | None = None) -> tuple[str, ...]:
    """What would do instead of `caps`, in words: one answer for each set of caps that some of `variants` exceed.

    The first is that of the closest variant. Where nothing but the dense model was made, what would do is what its
    smallest structure takes, the `least`, if that was measured: between the two nothing was tried.
    """
    made = [each for each in variants if not each.dense]
    if not made and least is not None:
        return _by_cost(caps, least)
    answers: dict[frozenset[Constraint], str] = {}
    for variant in sorted(made or variants, key=lambda each: use(caps, each)):
        exceeded = [each for each in uses(caps, variant) if each.cost > each.cap]
        answers.setdefault(frozenset(each.binding for each in exceeded), _all_of(exceeded))
    return tuple(text for text in answers.values() if text)


def _by_cost(caps: Caps, least: Caps) -> tuple[str, ...]:
    exceeded = [each for each in uses_between(sure(least), caps) if each.cost > each.cap]
    return (f"{_all_of(exceeded)} ({UNTRIED})",) if exceeded else ()


def _all_of(exceeded: Sequence[Use]) -> str:
    return " and ".join(map(_more, exceeded))


def _more(exceeded: Use) -> str:
    match exceeded.binding:
        case Constraint.DEADLINE:
            return f"a latency of {at_least(exceeded.cost, Unit.SECONDS)}"
        case Constraint.STORAGE:
            return f"{at_least(exceeded.cost - exceeded.cap, Unit.BYTES)} more storage"
        case _:
            return f"{at_least(exceeded.cost - exceeded.cap, Unit.BYTES)} more RAM"


def _ram(profile: Profile, calibration: Calibration, ram_base_bytes: int, need: float) -> Iterator[str]:
    for cap in ram_caps(profile, calibration.ram_base_bytes or ram_base_bytes):
        if need > cap.value:
            yield f"{at_least(need - cap.value, Unit.BYTES)} more {_NAMES[cap.binding]}"


def _storage(profile: Profile, need: int) -> Iterator[str]:
    if profile.storage_bytes is not None and need > profile.storage_bytes:
        yield f"{at_least(need - profile.storage_bytes, Unit.BYTES)} more storage"


def _deadline(exceeded: list[Cap], latency_s: float) -> Iterator[str]:
    if any(cap.binding is Constraint.DEADLINE for cap in exceeded):
        yield f"a deadline of {at_least(latency_s, Unit.SECONDS)}"


def _rate(profile: Profile, exceeded: list[Cap], latency_s: float) -> Iterator[str]:
    """Every cap but the deadline is in inverse proportion to the rate: one rate answers them all."""
    caps_s = [cap.value for cap in exceeded if cap.binding is not Constraint.DEADLINE]
    if caps_s:
        slower = profile.rate_hz * min(caps_s) / latency_s
        yield f"{at_most(slower, Unit.HERTZ)} instead of {format_quantity(profile.rate_hz, Unit.HERTZ)}"


def _power(profile: Profile, calibration: Calibration, exceeded: list[Cap], latency_s: float) -> Iterator[str]:
    for cap in exceeded:
        if cap.binding is Constraint.THERMAL:
            yield _cooler(profile, _mean_watts(profile, calibration, latency_s))
        if cap.binding is Constraint.BATTERY:
            yield _shorter(profile, _mean_watts(profile, calibration, latency_s))


def _mean_watts(profile: Profile, calibration: Calibration, latency_s: float) -> float:
    """Mean draw at the required rate with this latency."""
    assert profile.power is not None
    idle = profile.power.idle_watts
    return idle + profile.rate_hz * latency_s * (busy_watts(profile.power, calibration) - idle)


def _cooler(profile: Profile, watts: float) -> str:
    thermal = profile.thermal
    assert thermal is not None
    ceiling = thermal.limit_celsius - thermal.guard_celsius
    return f"{celsius_at_most(ceiling - watts * thermal.resistance_celsius_per_watt)} surroundings"


def _shorter(profile: Profile, watts: float) -> str:
    battery, budget = profile.battery, lifetime_watts(profile)
    assert battery is not None
    assert budget is not None
    return f"a lifetime of {at_most(battery.lifetime_s * budget / watts, Unit.SECONDS)}"
