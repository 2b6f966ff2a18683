"""What Linux says about heat, power, charge and frequency, read from sysfs under a root that tests and demos replace.

Absent is None, never 0. Files come and go with drivers and cables, so each look finds them anew. Units of the kernel:
millidegrees, microwatts, microamperes, microvolts, kilohertz.
"""

from __future__ import annotations

from pathlib import Path

from agent.sensed import Reading


def read(root: Path) -> Reading:
    """One look at all sensors below `root` (`/sys` on a device)."""
    supply = _battery(root)
    frequencies = root / "devices/system/cpu/cpu0/cpufreq"
    return Reading(
        temperature_celsius=_temperature_celsius(root),
        power_watts=_power_watts(root, supply),
        battery_percent=None if supply is None else _number(supply / "capacity"),
        battery_discharging=None if supply is None else _discharging(supply),
        frequency_hz=_scaled(frequencies / "scaling_cur_freq", 1e3),
        frequency_ceiling_hz=_scaled(frequencies / "scaling_max_freq", 1e3),
        frequency_max_hz=_scaled(frequencies / "cpuinfo_max_freq", 1e3),
    )


def _temperature_celsius(root: Path) -> float | None:
    """The hottest thermal zone; hwmon only where there is no zone (it repeats them, and adds disks and radios)."""
    zones = _all(root / "class/thermal", "thermal_zone*/temp", 1e-3)
    return max(zones or _all(root / "class/hwmon", "hwmon*/temp*_input", 1e-3), default=None)


def _power_watts(root: Path, battery: Path | None) -> float | None:
    """The sum of the power meters; without one, what leaves the battery."""
    meters = _all(root / "class/hwmon", "hwmon*/power1_input", 1e-6)
    if meters:
        return sum(meters)
    return None if battery is None or not _discharging(battery) else _battery_watts(battery)


def _battery_watts(battery: Path) -> float | None:
    watts = _scaled(battery / "power_now", 1e-6)
    if watts is not None:
        return abs(watts)
    amperes, volts = _scaled(battery / "current_now", 1e-6), _scaled(battery / "voltage_now", 1e-6)
    return None if amperes is None or volts is None else abs(amperes * volts)


def _battery(root: Path) -> Path | None:
    supplies = sorted((root / "class/power_supply").glob("*"))
    return next((each for each in supplies if _text(each / "type") == "Battery"), None)


def _discharging(battery: Path) -> bool | None:
    status = _text(battery / "status")
    return None if status in (None, "Unknown") else status == "Discharging"


def _all(directory: Path, pattern: str, scale: float) -> list[float]:
    found = (_scaled(path, scale) for path in sorted(directory.glob(pattern)))
    return [value for value in found if value is not None]


def _scaled(path: Path, scale: float) -> float | None:
    number = _number(path)
    return None if number is None else number * scale


def _number(path: Path) -> float | None:
    text = _text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # no such sensor, or its driver has no answer just now
        return None
