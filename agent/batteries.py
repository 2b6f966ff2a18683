"""The batteries that a device runs on, as one: charge, draw, and whether it drains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent import sysfs
from agent.sensed import any_known, known, mean_known


@dataclass(frozen=True, slots=True)
class Battery:
    """`percent` of all there is; `watts` leave or enter; `discharging` where any does. None is not known."""

    percent: float | None
    discharging: bool | None
    watts: float | None
    source: str


def read(root: Path) -> Battery | None:
    """All supplies of type Battery, but not those of peripherals; None where the device has none."""
    supplies = [each for each in sorted((root / "class/power_supply").glob("*")) if _feeds_the_device(each)]
    if not supplies:
        return None
    watts = known(map(_watts, supplies))
    return Battery(
        percent=_percent(supplies),
        discharging=any_known(map(_discharging, supplies)),
        watts=sum(watts) if watts else None,
        source=", ".join(each.name for each in supplies),
    )


def _feeds_the_device(supply: Path) -> bool:
    return sysfs.text(supply / "type") == "Battery" and sysfs.text(supply / "scope") != "Device"


def _discharging(supply: Path) -> bool | None:
    status = sysfs.text(supply / "status")
    return None if status in (None, "Unknown") else status == "Discharging"


def _watts(supply: Path) -> float | None:
    watts = sysfs.number(supply / "power_now", 1e-6)
    if watts is not None:
        return abs(watts)
    amperes, volts = sysfs.number(supply / "current_now", 1e-6), sysfs.number(supply / "voltage_now", 1e-6)
    return None if amperes is None or volts is None else abs(amperes * volts)


def _percent(supplies: list[Path]) -> float | None:
    """By charge where each tells how much it holds: a small battery weighs less. Else the mean of their percentages."""
    for kind in ("energy", "charge"):
        now = [sysfs.number(each / f"{kind}_now") for each in supplies]
        full = [sysfs.number(each / f"{kind}_full") for each in supplies]
        if None not in now and None not in full and sum(filter(None, full)) > 0:
            return 100 * sum(filter(None, now)) / sum(filter(None, full))
    return mean_known(sysfs.number(each / "capacity") for each in supplies)
