"""What Linux says about heat, power, charge and frequency, read from sysfs under a root that tests and demos replace.

Absent is None, never 0, and each value has its source. Files come and go with drivers and cables, so each look finds
them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from agent import batteries, sysfs
from agent.sensed import Reading, known

PACKAGE = "class/powercap/intel-rapl:0"
"""RAPL's folder of the processor package, below the root."""
_PACKAGE_ALONE = f"{PACKAGE.rpartition('/')[2]}, the processor package alone"

T_co = TypeVar("T_co", covariant=True)

# Rails that feed a whole Jetson module; the others are parts of them.
_TOTAL_RAILS = ("VDD_IN", "VIN_SYS_5V0", "POM_5V_IN")
_FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"
# What the kernel calls the cooling of a processor by its clock or by pauses; a fan is cooling too, and no harm.
_COOLERS = ("cpufreq-", "thermal-cpufreq-", "Processor", "intel_powerclamp")
# Bits of the Raspberry Pi firmware's answer; the next bits say that it has happened since boot.
_UNDERVOLTAGE, _CAPPED = 1 << 0, 1 << 1 | 1 << 2 | 1 << 3


@dataclass(frozen=True, slots=True)
class Found(Generic[T_co]):
    """A value, a number's in SI units (or degrees Celsius), and where it comes from."""

    value: T_co
    source: str


class Sensors:
    """All sensors below `root` (`/sys` on a device). `now_s` is a monotonic clock: RAPL counts energy.

    Between looks it keeps that count, and the highest ceiling that the frequency has had.
    """

    def __init__(self, root: Path, now_s: Callable[[], float]) -> None:
        self._root, self._now_s = root, now_s
        self._energy: tuple[float, float] | None = None  # joules at seconds
        self._highest_hz: float | None = None

    def read(self) -> Reading:
        """One look."""
        root = self._root
        battery = batteries.read(root)
        frequencies = root / "devices/system/cpu/cpu0/cpufreq"
        ceiling_hz = sysfs.number(frequencies / "scaling_max_freq", 1e3)
        self._highest_hz = max(known((ceiling_hz, self._highest_hz)), default=None)
        bits = _firmware(root)
        temperature, power, undervoltage = _temperature(root), self._power(battery), _undervoltage(root, bits)
        frequency, capped = _frequency(frequencies), _capped(root, bits)
        throttled: Found[float] | None = capped or (
            None if ceiling_hz is None else Found(ceiling_hz, "scaling_max_freq of cpu0")
        )
        return Reading(
            temperature_celsius=temperature.value if temperature else None,
            power_watts=power.value if power else None,
            power_package=power is not None and power.source == _PACKAGE_ALONE,
            battery_percent=battery.percent if battery else None,
            battery_discharging=battery.discharging if battery else None,
            frequency_hz=frequency.value if frequency else None,
            frequency_ceiling_hz=ceiling_hz,
            frequency_highest_hz=self._highest_hz,
            capped=capped.value if capped else None,
            undervoltage=undervoltage.value if undervoltage else None,
            sources=_sources(
                temperature=temperature,
                power=power,
                battery=battery,
                frequency=frequency,
                throttled=throttled,
                undervoltage=undervoltage,
            ),
        )

    def _power(self, battery: batteries.Battery | None) -> Found[float | None] | None:
        """Meters of the whole board, else what leaves the battery, else the processor package alone."""
        meters = _meters(self._root)
        if meters is not None:
            return meters
        if battery is not None and battery.discharging and battery.watts is not None:
            return Found(battery.watts, f"{battery.source}, discharging")
        return self._package()

    def _package(self) -> Found[float | None] | None:
        """RAPL: joules of the package, whose difference over time is power, from the second look on; it wraps."""
        zone = self._root / PACKAGE
        joules, now_s = sysfs.number(zone / "energy_uj", 1e-6), self._now_s()
        before, self._energy = self._energy, None if joules is None else (joules, now_s)
        if joules is None:
            return None
        if before is None or now_s <= before[1]:
            return Found(None, _PACKAGE_ALONE)
        used = joules - before[0]
        if used < 0:
            used += sysfs.number(zone / "max_energy_range_uj", 1e-6) or 0.0
        return Found(None if used < 0 else used / (now_s - before[1]), _PACKAGE_ALONE)


def _sources(**found: Found[Any] | batteries.Battery | None) -> dict[str, str]:
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
    """The lowest temperature at which the kernel starts to act: by slowing down, or by switching off.

    Where no zone has one it is the lowest that a chip itself calls critical.
    """
    trips = []
    for path, value in sysfs.numbers(root / "class/thermal", "thermal_zone*/trip_point_*_temp", 1e-3):
        kind = sysfs.text(path.with_name(path.name.replace("_temp", "_type")))
        if kind in ("passive", "hot", "critical") and value > 0:
            trips.append(Found(value, f"{sysfs.label(path.parent)}, {kind}"))
    if not trips:
        chips = sysfs.numbers(root / "class/hwmon", "hwmon*/temp*_crit", 1e-3)
        trips = [Found(value, f"{sysfs.label(path.parent)}, critical") for path, value in chips if value > 0]
    return min(trips, key=lambda each: each.value, default=None)


def _meters(root: Path) -> Found[float] | None:
    """Power meters of the board: the sum, but of an INA3221 the rail that feeds all others."""
    hwmon = root / "class/hwmon"
    meters = [(path.parent, value) for path, value in sysfs.numbers(hwmon, "hwmon*/power1_input", 1e-6)]
    # Others that only tell an average are parts of a board, as graphics are; ACPI's is the board's own.
    means = sysfs.numbers(hwmon, "hwmon*/power1_average", 1e-6)
    meters += [(path.parent, value) for path, value in means if sysfs.text(path.with_name("name")) == "power_meter"]
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


def _frequency(frequencies: Path) -> Found[float] | None:
    value = sysfs.number(frequencies / "scaling_cur_freq", 1e3)
    driver = sysfs.text(frequencies / "scaling_driver")
    return None if value is None else Found(value, "cpu0" if driver is None else f"cpu0 ({driver})")


def _capped(root: Path, bits: int | None) -> Found[bool] | None:
    """Whether the clock is held down, as the firmware's `bits` and the kernel's cooling of the processor say."""
    states = {} if bits is None else {"firmware": bool(bits & _CAPPED)}
    for path, state in sysfs.numbers(root / "class/thermal", "cooling_device*/cur_state"):
        kind = sysfs.text(path.with_name("type")) or ""
        if kind.startswith(_COOLERS):
            states[kind] = states.get(kind, False) or state > 0
    return Found(any(states.values()), ", ".join(states)) if states else None


def _firmware(root: Path) -> int | None:
    found = sysfs.text(root / _FIRMWARE)
    try:
        return None if found is None else int(found, 16)
    except ValueError:
        return None
