"""The batteries that a device runs on, as one: charge, draw, and whether it drains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent import sysfs
from agent.choice import Sensor, choose, words
from agent.sensed import any_known, known
from agent.wire.ranges import CHARGE

FULL_TO_PERCENT = 125.0
"""A gauge that was never recalibrated counts a full battery above its capacity, by up to a fifth or so."""


@dataclass(frozen=True, slots=True)
class Battery:
    """`percent` of all there is; `watts` leave or enter; `discharging` where any does. None is not known.

    `note` tells of a gauge that is not taken at its word, `why` why there is no percentage although one was given;
    `left` and `fault` are those of the choice.
    """

    percent: float | None
    discharging: bool | None
    watts: float | None
    source: str
    note: str = ""
    why: str = ""
    left: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Charge:
    """One battery's: as it is told, as it is taken, and what it holds when full, in the unit of `kind`."""

    told: float
    percent: float
    full: float = 1.0
    kind: str = "capacity"


def read(root: Path, named: str | None = None) -> Battery | None:
    """All supplies of type Battery, but no peripheral's and no empty bay; None where the device has none."""
    there = [_sensor(path) for path in sorted((root / "class/power_supply").glob("*")) if _is_battery(path)]
    choice = choose(there, named, root)
    supplies, left = [each.path for each in choice.taken], words(choice)
    if not supplies:
        return Battery(None, None, None, "", left=left, fault=choice.fault) if left or choice.fault else None
    watts, charges = known(map(_watts, supplies)), [_charge(each) for each in supplies]
    named_charges = [(path.name, each) for path, each in zip(supplies, charges, strict=True)]
    wrong = [f"{name}: {why}" for name, each in named_charges if each and (why := CHARGE.why_not(each.percent))]
    return Battery(
        percent=None if wrong else _mean(known(charges)),
        discharging=any_known(map(_discharging, supplies)),
        watts=sum(watts) if watts else None,
        source=", ".join(each.name for each in supplies),
        note="; ".join(_note(name, each) for name, each in named_charges if each and each.told != each.percent),
        why="; ".join(wrong),
        left=left,
    )


def _is_battery(supply: Path) -> bool:
    return sysfs.text(supply / "type") == "Battery"


def _sensor(supply: Path) -> Sensor:
    unfit = ""
    if sysfs.text(supply / "scope") == "Device":
        unfit = "a peripheral's"
    elif sysfs.text(supply / "present") == "0":
        unfit = "an empty bay"
    return Sensor(supply, (supply.name,), supply.name, partial(sysfs.number, supply / "capacity"), unfit=unfit)


def _discharging(supply: Path) -> bool | None:
    status = sysfs.text(supply / "status")
    return None if status in (None, "Unknown") else status == "Discharging"


def _watts(supply: Path) -> float | None:
    watts = sysfs.number(supply / "power_now", 1e-6)
    if watts is not None:
        return abs(watts)
    amperes, volts = sysfs.number(supply / "current_now", 1e-6), sysfs.number(supply / "voltage_now", 1e-6)
    return None if amperes is None or volts is None else abs(amperes * volts)


def _charge(supply: Path) -> _Charge | None:
    """By what it holds of what it can, where it tells both; else its own percentage."""
    for kind in ("energy", "charge"):
        now, full = sysfs.number(supply / f"{kind}_now"), sysfs.number(supply / f"{kind}_full")
        if now is not None and full is not None and full > 0:
            return _taken(100 * now / full, full, kind)
    told = sysfs.number(supply / "capacity")
    return None if told is None else _taken(told)


def _taken(told: float, full: float = 1.0, kind: str = "capacity") -> _Charge:
    overcounts = CHARGE.high < told <= FULL_TO_PERCENT
    return _Charge(told, CHARGE.high if overcounts else told, full, kind)


def _note(name: str, charge: _Charge) -> str:
    return f"{name} tells {charge.told:.4g} %, taken as full"


def _mean(charges: list[_Charge]) -> float | None:
    """A small battery weighs less, where all tell what they hold in the same unit."""
    same = len({each.kind for each in charges}) == 1
    weights = [each.full if same else 1.0 for each in charges]
    held = sum(each.percent * weight for each, weight in zip(charges, weights, strict=True))
    return held / sum(weights) if charges else None
