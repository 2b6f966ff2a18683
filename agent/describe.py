"""A profile in words: every figure that its owner declared, in human units."""

from __future__ import annotations

from collections.abc import Iterator

from agent.wire.profile import Profile
from agent.wire.units import Unit, format_quantity


def describe(profile: Profile) -> Iterator[tuple[str, str]]:
    """(name, figure) of everything that is declared; what is absent is left out."""
    yield "device", profile.device
    yield "class", profile.device_class
    if profile.labels:
        yield "labels", ", ".join(f"{key}={value}" for key, value in sorted(profile.labels.items()))
    yield from _quantities(
        ("memory of the process", profile.ram_total_bytes, Unit.BYTES),
        ("memory of the model", profile.ram_model_bytes, Unit.BYTES),
        ("storage", profile.storage_bytes, Unit.BYTES),
        ("deadline (p95)", profile.deadline_s, Unit.SECONDS),
        ("rate", profile.rate_hz, Unit.HERTZ),
    )
    yield "speed", f"{profile.speed:g} of the reference host"
    if profile.power is not None:
        yield from _quantities(
            ("power when idle", profile.power.idle_watts, Unit.WATTS),
            ("power when busy", profile.power.busy_watts, Unit.WATTS),
        )
    yield from _thermal(profile)
    if profile.battery is not None:
        yield from _quantities(
            ("battery", profile.battery.capacity_watt_hours, Unit.WATT_HOURS),
            ("battery is to last", profile.battery.lifetime_s, Unit.SECONDS),
            ("battery efficiency", profile.battery.efficiency, Unit.SHARE),
        )
    yield "runtime", profile.runtime


def _thermal(profile: Profile) -> Iterator[tuple[str, str]]:
    thermal = profile.thermal
    if thermal is None:
        return
    yield from _quantities(
        ("temperature limit", thermal.limit_celsius, Unit.CELSIUS),
        ("guard below it", thermal.guard_celsius, Unit.CELSIUS),
        ("ambient temperature", thermal.ambient_celsius, Unit.CELSIUS),
        ("thermal resistance", thermal.resistance_celsius_per_watt, Unit.CELSIUS_PER_WATT),
        ("thermal time constant", thermal.time_constant_s, Unit.SECONDS),
    )
    watts = (thermal.limit_celsius - thermal.guard_celsius - thermal.ambient_celsius) / (
        thermal.resistance_celsius_per_watt
    )
    yield "sustained power", f"{format_quantity(watts, Unit.WATTS)} at most, by these figures"


def _quantities(*rows: tuple[str, float | None, Unit]) -> Iterator[tuple[str, str]]:
    return ((name, format_quantity(value, unit)) for name, value, unit in rows if value is not None)
