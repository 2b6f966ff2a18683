"""Human units at the edges: `24 MiB`, `40 ms`, `2.4 W`, `35 C`, `5 Hz` to SI numbers and back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum

from agent.wire.errors import WireError


class Unit(StrEnum):
    BYTES = "bytes"
    SECONDS = "seconds"
    WATTS = "watts"
    JOULES = "joules"
    CELSIUS = "celsius"
    HERTZ = "hertz"
    WATT_HOURS = "watt hours"
    CELSIUS_PER_WATT = "celsius per watt"
    SHARE = "share"


_SCALES: Mapping[Unit, Mapping[str, float]] = {
    Unit.BYTES: {
        "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9,
        "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
    },
    Unit.SECONDS: {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400},
    Unit.WATTS: {"uW": 1e-6, "mW": 1e-3, "W": 1},
    Unit.JOULES: {"uJ": 1e-6, "mJ": 1e-3, "J": 1},
    Unit.CELSIUS: {"C": 1, "°C": 1},
    Unit.HERTZ: {"Hz": 1, "kHz": 1e3, "/s": 1, "/min": 1 / 60, "/h": 1 / 3600, "fps": 1},
    Unit.WATT_HOURS: {"Wh": 1, "mWh": 1e-3},
    Unit.CELSIUS_PER_WATT: {"C/W": 1, "K/W": 1},
    Unit.SHARE: {"%": 0.01, "": 1},
}  # fmt: skip
_MOST = 1e6  # of a largest unit; the digits of what cannot be would fill the page
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


def parse_quantity(text: object, unit: Unit) -> float:
    """`text` in SI (bytes, s, W, degrees C, Hz, Wh, C/W, share); a bare number only where the unit may be left out.

    Raises `WireError` that says which units are allowed.
    """
    scales = _SCALES[unit]
    match = _QUANTITY.fullmatch(str(text))
    if isinstance(text, bool) or match is None or match[2] not in scales:
        raise WireError(f"{text!r} is not a number of {unit}: {_allowed(scales)}")
    number = float(match[1]) * scales[match[2]]
    if not math.isfinite(number):
        raise WireError(f"{text!r} is too large")
    return number


def _allowed(scales: Mapping[str, float]) -> str:
    units = ", ".join(name for name in scales if name)
    return f"write a number and one of {units}" + (", or a bare number" if "" in scales else "")


def format_quantity(value: float, unit: Unit) -> str:
    """The shortest human form, three significant digits: 6291456 bytes -> `6 MiB`, 0.004 s -> `4 ms`."""
    if unit is Unit.BYTES:
        return _best(value, (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1)))
    if unit is Unit.SECONDS:
        return _best(value, (("d", 86400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3), ("us", 1e-6)))
    if unit is Unit.WATTS:
        return _best(value, (("W", 1), ("mW", 1e-3), ("uW", 1e-6)))
    if unit is Unit.JOULES:
        return _best(value, (("J", 1), ("mJ", 1e-3), ("uJ", 1e-6)))
    if unit is Unit.SHARE:
        return f"{value * 100:.3g} %"
    names = {
        Unit.CELSIUS: "C", Unit.HERTZ: "Hz", Unit.WATT_HOURS: "Wh", Unit.CELSIUS_PER_WATT: "C/W",
    }  # fmt: skip
    return f"{value:.3g} {names[unit]}"


def _best(value: float, scales: tuple[tuple[str, float], ...]) -> str:
    for name, scale in scales:
        if abs(value) >= scale:
            number = value / scale
            return f"{number:.3g} {name}" if abs(number) >= _MOST else f"{number:.{_decimals(number)}f} {name}"
    return f"{value:.3g} {scales[-1][0]}" if value else f"0 {scales[-1][0]}"


def _decimals(number: float) -> int:
    if abs(number - round(number)) < 5e-3 * max(1.0, abs(number)) or abs(number) >= 100:
        return 0
    return 2 if abs(number) < 10 else 1
