"""What would have to give for a variant to fit: each answer alone is enough for the cap that it names."""

from __future__ import annotations

from collections.abc import Iterator

from agent.wire.profile import Profile
from agent.wire.units import Unit, format_quantity
from controller.core import calibrate
from controller.core.envelope import busy_watts, lifetime_watts, sustained_watts
from controller.core.types import Calibration, Cap, Constraint, Envelope, Variant


def relaxations(profile: Profile, calibration: Calibration, envelope: Envelope, closest: Variant) -> tuple[str, ...]:
    """For each cap that `closest` exceeds, in words: how much more, or the rate, ambient or lifetime that would do."""
    return (
        *_ram(calibrate.predicted_ram_bytes(calibration, closest), envelope.ram_bytes),
        *_storage(closest.size_bytes, envelope.storage_bytes),
        *_latency(
            profile, calibration, calibrate.predicted_latency_s(profile, calibration, closest), envelope.latency_s
        ),
    )


def _ram(need: float, cap: Cap | None) -> Iterator[str]:
    if cap is not None and need > cap.value:
        name = "memory.total" if cap.binding is Constraint.RAM_TOTAL else "memory.model"
        yield f"{format_quantity(need - cap.value, Unit.BYTES)} more {name}"


def _storage(need: int, cap: Cap | None) -> Iterator[str]:
    if cap is not None and need > cap.value:
        yield f"{format_quantity(need - cap.value, Unit.BYTES)} more storage"


def _latency(profile: Profile, calibration: Calibration, need_s: float, cap: Cap | None) -> Iterator[str]:
    if cap is None or need_s <= cap.value:
        return
    if cap.binding is Constraint.DEADLINE:
        yield f"a deadline of {format_quantity(need_s, Unit.SECONDS)}"
    else:
        slower = profile.rate_hz * cap.value / need_s
        yield f"{format_quantity(slower, Unit.HERTZ)} instead of {format_quantity(profile.rate_hz, Unit.HERTZ)}"
    watts = _mean_watts(profile, calibration, need_s)
    if cap.binding is Constraint.THERMAL and watts is not None:
        yield _cooler(profile, calibration, watts)
    if cap.binding is Constraint.BATTERY and watts is not None:
        yield _shorter(profile, watts)


def _mean_watts(profile: Profile, calibration: Calibration, latency_s: float) -> float | None:
    """Mean draw at the required rate with this latency."""
    if profile.power is None:
        return None
    idle = profile.power.idle_watts
    return idle + profile.rate_hz * latency_s * (busy_watts(profile.power, calibration) - idle)


def _cooler(profile: Profile, calibration: Calibration, watts: float) -> str:
    thermal, budget = profile.thermal, sustained_watts(profile, calibration)
    assert thermal is not None
    assert budget is not None
    ceiling = thermal.limit_celsius - thermal.guard_celsius
    return f"{ceiling - watts * thermal.resistance_celsius_per_watt:.1f} C surroundings"


def _shorter(profile: Profile, watts: float) -> str:
    budget = lifetime_watts(profile)
    assert profile.battery is not None
    assert budget is not None
    return f"a lifetime of {format_quantity(profile.battery.lifetime_s * budget / watts, Unit.SECONDS)}"
