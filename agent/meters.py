"""Power meters of the board, known by their driver and their label; one that is not connected does not count."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from agent import sysfs
from agent.choice import Sensor
from agent.sensed import known

# Rails that feed a whole Jetson module; the others are parts of them.
_TOTAL_RAILS = ("VDD_IN", "VIN_SYS_5V0", "POM_5V_IN")
_UNCONNECTED = ("NC", "N/C", "N.C.", "NOT CONNECTED", "UNCONNECTED", "UNUSED")
_PARTS = ("amdgpu", "radeon", "nouveau", "i915", "xe", "nvme", "iwlwifi")


def sensors(root: Path) -> list[Sensor]:
    """Every meter that tells something, whether or not it may be taken."""
    return [meter for chip in sorted((root / "class/hwmon").glob("hwmon*")) for meter in _of_chip(chip)]


def _of_chip(chip: Path) -> Iterator[Sensor]:
    name = sysfs.text(chip / "name") or ""
    path = chip / "power1_input"
    watts = sysfs.number(path, 1e-6)
    if watts is not None:
        label = sysfs.text(chip / "power1_label") or sysfs.text(chip / "in1_label")
        yield _meter(path, watts, name, label)
    elif name == "ina3221":
        yield from _rails(chip)
    elif (mean_watts := sysfs.number(chip / "power1_average", 1e-6)) is not None:
        # Others than ACPI's that only tell an average are parts of a board.
        unfit = "" if name == "power_meter" else "a part's, not the board's"
        yield _meter(chip / "power1_average", mean_watts, name, sysfs.text(chip / "power1_label"), unfit)


def _rails(chip: Path) -> Iterator[Sensor]:
    """An INA3221's driver tells volts and amperes of three rails, no watts; the total is taken, or else the first."""
    rails = {}
    for number in ("1", "2", "3"):
        volts = sysfs.number(chip / f"in{number}_input", 1e-3)
        amperes = sysfs.number(chip / f"curr{number}_input", 1e-3)
        if volts is not None and amperes is not None:
            rails[number] = (volts * amperes, sysfs.text(chip / f"in{number}_label"))
    connected = [number for number, (watts, label) in rails.items() if not _unconnected(watts, label)]
    total = [number for number in connected if rails[number][1] in _TOTAL_RAILS]
    first = next(iter(total or connected), None)
    for number, (watts, label) in rails.items():
        unfit = "" if number == first else "one rail, not the board's total"
        yield _meter(chip / f"in{number}_input", watts, "ina3221", label, unfit)


def _meter(path: Path, watts: float, name: str, label: str | None, unfit: str = "") -> Sensor:
    unfit = _unconnected(watts, label) or ("a part's, not the board's" if name.startswith(_PARTS) else unfit)
    source = sysfs.label(path.parent) + (f" {label}" if label and unfit else "")
    return Sensor(path, tuple(filter(None, known((name, label)))), source, partial(float, watts), unfit=unfit)


def _unconnected(watts: float, label: str | None) -> str:
    if label is not None and label.upper() in _UNCONNECTED:
        return f"not connected, as its label {label} says"
    return f"not connected, at {watts:.3g} W" if watts < 0 else ""
