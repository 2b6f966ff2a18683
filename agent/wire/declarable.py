"""What each figure of a profile may be declared as. A wrong unit is a factor of a thousand, and would be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from agent.wire.errors import WireError
from agent.wire.section import At, as_written, find
from agent.wire.units import Unit, parse_quantity


class Range(NamedTuple):
    """From `least` to `most`, both allowed, as a profile writes them."""

    unit: Unit
    least: str
    most: str


RANGES: Mapping[str, Range] = {
    "memory.total": Range(Unit.BYTES, "64 KiB", "16384 GiB"),
    "memory.model": Range(Unit.BYTES, "64 B", "16384 GiB"),
    "storage": Range(Unit.BYTES, "64 B", "1048576 GiB"),
    "deadline": Range(Unit.SECONDS, "1 us", "7 d"),
    "rate": Range(Unit.HERTZ, "0.001 /h", "1000 kHz"),
    "speed": Range(Unit.SHARE, "0.01 %", "10000 %"),
    "power.idle": Range(Unit.WATTS, "1 uW", "10000 W"),
    "power.busy": Range(Unit.WATTS, "1 uW", "10000 W"),
    "thermal.limit": Range(Unit.CELSIUS, "-40 C", "250 C"),
    "thermal.ambient": Range(Unit.CELSIUS, "-90 C", "200 C"),
    "thermal.guard": Range(Unit.CELSIUS, "0 C", "100 C"),
    "thermal.resistance": Range(Unit.CELSIUS_PER_WATT, "0.001 C/W", "100000 C/W"),
    "thermal.tdp": Range(Unit.WATTS, "1 uW", "10000 W"),
    "thermal.rated_ambient": Range(Unit.CELSIUS, "-90 C", "200 C"),
    "thermal.time_constant": Range(Unit.SECONDS, "10 ms", "7 d"),
    "battery.capacity": Range(Unit.WATT_HOURS, "0.1 mWh", "1000000 Wh"),
    "battery.lifetime": Range(Unit.SECONDS, "1 s", "36525 d"),
    "battery.efficiency": Range(Unit.SHARE, "1 %", "100 %"),
}


def refuse_implausible(profile: At) -> None:
    """Raises `WireError`, with file, line and key, for a figure of a profile that can be read and is out of range."""
    for path, allowed in RANGES.items():
        if (at := find(profile, path)) is not None:
            try:
                _check(as_written(at), at.value, allowed)
            except WireError as error:
                raise at.error(str(error)) from None


def _check(written: str, read: object, allowed: Range) -> None:
    unit, least, most = allowed
    number = parse_quantity(written, unit)
    if number != parse_quantity(read, unit):  # 010 has become 8
        raise WireError(f"YAML reads {written} as {read}; write it in quotes")
    if not parse_quantity(least, unit) <= number <= parse_quantity(most, unit):
        raise WireError(f"{written!r} cannot be: {least} to {most} is allowed")
