"""What Linux says about heat, power, charge and frequency, read from sysfs under a root that tests and demos replace.

Absent is None, never 0, and each value has its source. Files come and go with drivers and cables, so each look finds
them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from agent import batteries, sysfs
from agent.sensed import Reading

PACKAGE = "class/powercap/intel-rapl:0"
"""RAPL's folder of the processor package, below the root."""

T = TypeVar("T")

# Rails that feed a whole Jetson module; the others are parts of them.
_TOTAL_RAILS = ("VDD_IN", "VIN_SYS_5V0", "POM_5V_IN")
_FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"
# Bits of the Raspberry Pi firmware's answer; the next bits say that it has happened since boot.
_UNDERVOLTAGE, _CAPPED = 1 << 0, 1 << 1 | 1 << 2 | 1 << 3


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value, a number's in SI units (or degrees Celsius), and where it comes from."""

    value: T
    source: str


class Sensors:
    """All sensors below `root` (`/sys` on a device). `now_s` is a monotonic clock: RAPL counts energy."""

    def __init__(self, root: Path, now_s: Callable[[], float]) -> None:
        self._root, self._now_s = root, now_s
        self._energy: tuple[float, float] | None = None  # joules at seconds

    def read(self) -> Reading:
        """One look."""
        root = self._root
        battery = batteries.read(root)
        frequencies = root / "devices/system/cpu/cpu0/cpufreq"
        bits = _firmware(root)
        temperature, power, undervoltage = _temperature(root), self._power(battery), _undervoltage(root, bits)
        return Reading(
            temperature_celsius=temperature.value if temperature else None,
            power_watts=power.value if power else None,
            battery_percent=battery.percent if battery else None,
            battery_discharging=battery.discharging if battery else None,
            frequency_hz=sysfs.number(frequencies / "scaling_cur_freq", 1e3),
            frequency_ceiling_hz=sysfs.number(frequencies / "scaling_max_freq", 1e3),
            frequency_max_hz=sysfs.number(frequencies / "cpuinfo_max_freq", 1e3),
            capped=None if bits is None else bool(bits & _CAPPED),
            undervoltage=undervoltage.value if undervoltage else None,
            sources=_sources(temperature=temperature, power=power, undervoltage=undervoltage, battery=battery),
        )

    def _power(self, battery: batteries.Battery | None) -> Found[float] | None:
        """Meters of the whole board, else what leaves the battery, else the processor package alone."""
        meters = _meters(self._root)
        if meters is not None:
            return meters
        if battery is not None and battery.discharging and battery.watts is not None:
            return Found(battery.watts, f"{battery.source}, discharging")
        return self._package()

    def _package(self) -> Found[float] | None:
        """RAPL: joules of the package, whose difference over time is power; the counter wraps."""
        zone = self._root / PACKAGE
        joules, now_s = sysfs.number(zone / "energy_uj", 1e-6), self._now_s()
        before, self._energy = self._energy, None if joules is None else (joules, now_s)
        if joules is None or before is None or now_s <= before[1]:
            return None
        used = joules - before[0]
        if used < 0:
            used += sysfs.number(zone / "max_energy_range_uj", 1e-6) or 0.0
        return None if used < 0 else Found(used / (now_s - before[1]), f"{zone.name}, the processor package alone")


def _sources(**found: Found[float] | Found[bool] | batteries.Battery | None) -> dict[str, str]:
    return {name: each.source for name, each in found.items() if each is not None}


def _temperature(root: Path) -> Found[float] | None:
    """The hottest thermal zone; hwmon only where there is no zone (it repeats them, and adds disks and radios)."""
    zones = list(sysfs.numbers(root / "class/thermal", "thermal_zone*/temp", 1e-3))
    found = zones or list(sysfs.numbers(root / "class/hwmon", "hwmon*/temp*_input", 1e-3))
    if not found:
        return None
    path, value = max(found, key=lambda each: each[1])
    return Found(value, sysfs.label(path.parent))


def trip_of(root: Path) -> Found[float] | None:
    """The lowest temperature at which the kernel starts to act: by slowing down, or by switching off."""
    trips = []
    for path, value in sysfs.numbers(root / "class/thermal", "thermal_zone*/trip_point_*_temp", 1e-3):
        kind = sysfs.text(path.with_name(path.name.replace("_temp", "_type")))
        if kind in ("passive", "hot", "critical") and value > 0:
            trips.append(Found(value, f"{sysfs.label(path.parent)}, {kind}"))
    return min(trips, key=lambda each: each.value, default=None)


def _meters(root: Path) -> Found[float] | None:
    """Power meters of the board: the sum, but of an INA3221 the rail that feeds all others."""
    hwmon = root / "class/hwmon"
    meters = [(path.parent, value) for path, value in sysfs.numbers(hwmon, "hwmon*/power1_input", 1e-6)]
    meters += [found for path in sorted(hwmon.glob("hwmon*")) if (found := _ina3221(path)) is not None]
    if not meters:
        return None
    return Found(sum(value for _, value in meters), ", ".join(sysfs.label(path) for path, _ in meters))


def _ina3221(path: Path) -> tuple[Path, float] | None:
    """Its driver tells volts and amperes of three rails, no watts."""
    if sysfs.text(path / "name") != "ina3221":
        return None
    rails = {sysfs.text(each): each.name.removeprefix("in").removesuffix("_label") for each in path.glob("in*_label")}
    rail = next((rails[name] for name in _TOTAL_RAILS if name in rails), "1")
    volts, amperes = sysfs.number(path / f"in{rail}_input", 1e-3), sysfs.number(path / f"curr{rail}_input", 1e-3)
    return None if volts is None or amperes is None else (path, volts * amperes)


def _undervoltage(root: Path, bits: int | None) -> Found[bool] | None:
    """Whether the supply is below what the board needs: by the firmware's `bits`, else by its hwmon alarm."""
    if bits is not None:
        return Found(bool(bits & _UNDERVOLTAGE), "firmware")
    alarms = list(sysfs.numbers(root / "class/hwmon", "hwmon*/in0_lcrit_alarm"))
    return Found(any(value for _, value in alarms), sysfs.label(alarms[0][0].parent)) if alarms else None


def _firmware(root: Path) -> int | None:
    found = sysfs.text(root / _FIRMWARE)
    try:
        return None if found is None else int(found, 16)
    except ValueError:
        return None
