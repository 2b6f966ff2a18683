"""What simulated devices live in: figures that are drawn for each device from a range, as in `ambient=20C..45C`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.wire.errors import WireError
from agent.wire.units import Unit, parse_quantity

_UNITS = {
    "ambient": Unit.CELSIUS,
    "battery": Unit.SHARE,
    "slowness": Unit.SHARE,
    "throttle": Unit.CELSIUS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One device's lot. `slowness` is a factor on what its profile declares; None leaves the profile's own figure."""

    ambient_celsius: float | None = None
    battery_percent: float = 100.0
    slowness: float = 1.0
    throttle_at_celsius: float | None = None


class Surroundings:
    """Ranges by name: `ambient` (C), `battery` (% charged), `slowness` (factor), `throttle` (C)."""

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        self._ranges = dict(ranges)

    def draw(self, dice: random.Random) -> Drawn:
        got = {name: dice.uniform(low, high) for name, (low, high) in self._ranges.items()}
        return Drawn(
            ambient_celsius=got.get("ambient"),
            battery_percent=100 * got.get("battery", 1.0),
            slowness=got.get("slowness", 1.0),
            throttle_at_celsius=got.get("throttle"),
        )


def parse_surroundings(texts: Iterable[str]) -> Surroundings:
    """Read `NAME=VALUE` and `NAME=LOW..HIGH`. Raises `WireError`."""
    return Surroundings(dict(map(_parse, texts)))


def _parse(text: str) -> tuple[str, tuple[float, float]]:
    name, equals, value = text.partition("=")
    if name not in _UNITS or not equals:
        raise WireError(f"{text!r}: NAME=VALUE or NAME=LOW..HIGH with one of {', '.join(_UNITS)} is allowed")
    low, dots, high = value.partition("..")
    try:
        ends = parse_quantity(low, _UNITS[name]), parse_quantity(high if dots else low, _UNITS[name])
    except WireError as error:
        raise WireError(f"{text!r}: {error}") from None
    if ends[0] > ends[1]:
        raise WireError(f"{text!r}: the lower end comes first")
    return name, ends
