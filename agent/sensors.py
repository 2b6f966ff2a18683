"""What Linux says about heat, power, charge and frequency, read from sysfs under a root that tests and demos replace.

Absent is None, never 0, and each value has its source. Files come and go with drivers and cables, so each look finds
them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agent import batteries, meters, sysfs, thermometers
from agent.choice import BY_KIND, Found, Named, Sensor, choose, words
from agent.sensed import Reading, known
from agent.steady import Steady
from agent.wire.ranges import CHARGE, FREQUENCY, POWER, TEMPERATURE

PACKAGE = "class/powercap/intel-rapl:0"
"""RAPL's folder of the processor package, below the root."""
_PACKAGE_ALONE = f"{PACKAGE.rpartition('/')[2]}, the processor package alone"

_FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"
# What the kernel calls the cooling of a processor by its clock or by pauses; a fan is cooling too, and no harm.
_COOLERS = ("cpufreq-", "thermal-cpufreq-", "Processor", "intel_powerclamp")
# Bits of the Raspberry Pi firmware's answer; the next bits say that it has happened since boot.
_UNDERVOLTAGE, _CAPPED = 1 << 0, 1 << 1 | 1 << 2 | 1 << 3
_RANGES = {"temperature": TEMPERATURE, "power": POWER, "battery": CHARGE, "frequency": FREQUENCY}


class Sensors:
    """All sensors below `root` (`/sys` on a device). `now_s` is a monotonic clock: RAPL counts energy.

    `named` are the owner's choices. Between looks it keeps that count, the highest ceiling that the frequency has had,
    and what was believed last.
    """

    def __init__(self, root: Path, now_s: Callable[[], float], named: Named = BY_KIND) -> None:
        self._root, self._now_s, self._named = root, now_s, named
        self._energy: tuple[float, float] | None = None  # joules at seconds
        self._highest_hz: float | None = None
        self._steady = {name: Steady(allowed) for name, allowed in _RANGES.items()}

    def read(self) -> Reading:
        """One look."""
        root = self._root
        battery = batteries.read(root, self._named.battery)
        frequencies = root / "devices/system/cpu/cpu0/cpufreq"
        ceiling_hz = sysfs.number(frequencies / "scaling_max_freq", 1e3)
        ceiling_hz = None if ceiling_hz is None or FREQUENCY.why_not(ceiling_hz) else ceiling_hz
        self._highest_hz = max(known((ceiling_hz, self._highest_hz)), default=None)
        bits = _firmware(root)
        undervoltage, capped = _undervoltage(root, bits), _capped(root, bits)
        throttled: Found[float] | None = capped or (
            None if ceiling_hz is None else Found(ceiling_hz, "scaling_max_freq of cpu0")
        )
        found: Mapping[str, Found[float | None] | None] = {
            "temperature": thermometers.read(root, self._named.temperature),
            "power": self._power(battery),
            "battery": _charge(battery),
            "frequency": _frequency(frequencies),
        }
        told = {name: self._believed(name, each) for name, each in found.items() if each is not None}
        values = {name: each.value for name, each in told.items()}
        sources: Mapping[str, Found[Any] | None] = {**found, "throttled": throttled, "undervoltage": undervoltage}
        power = found["power"]
        return Reading(
            temperature_celsius=values.get("temperature"),
            power_watts=values.get("power"),
            power_package=power is not None and power.source == _PACKAGE_ALONE,
            battery_percent=values.get("battery"),
            battery_discharging=battery.discharging if battery else None,
            frequency_hz=values.get("frequency"),
            frequency_ceiling_hz=ceiling_hz,
            frequency_highest_hz=self._highest_hz,
            capped=capped.value if capped else None,
            undervoltage=undervoltage.value if undervoltage else None,
            sources={name: each.source for name, each in sources.items() if each is not None and each.source},
            implausible={name: f"{each.source}: {each.why}" for name, each in told.items() if each.why},
            left={name: each.left for name, each in told.items() if each.left},
            faults={name: each.fault for name, each in told.items() if each.fault},
        )

    def _believed(self, name: str, found: Found[float | None]) -> Found[float | None]:
        """Without a value that cannot be, or that no device comes to from the one before it."""
        value = found.value
        if value is None:
            return found
        why = _RANGES[name].why_not(value) or self._steady[name].why_not(value, self._now_s())
        return Found(None, found.source, why, found.left, found.fault) if why else found

    def _power(self, battery: batteries.Battery | None) -> Found[float | None] | None:
        """Meters of the whole board, else what leaves the battery, else the processor package alone."""
        sensors = [*meters.sensors(self._root), *_draw(battery, self._root), *self._package()]
        choice = choose(sensors, self._named.power, self._root)
        if not choice.taken:
            return Found(None, "", left=words(choice), fault=choice.fault) if choice.left or choice.fault else None
        watts = [each.value for each in choice.taken if each.value is not None]
        why = "; ".join(why for each in watts if (why := POWER.why_not(each)))
        source = ", ".join(each.source for each in choice.taken)
        return Found(sum(watts) if watts and not why else None, source, why, words(choice))

    def _package(self) -> list[Sensor]:
        """RAPL: joules of the package, whose difference over time is power, from the second look on; it wraps."""
        zone = self._root / PACKAGE
        joules, now_s = sysfs.number(zone / "energy_uj", 1e-6), self._now_s()
        before, self._energy = self._energy, None if joules is None else (joules, now_s)
        if joules is None:
            return []
        watts = None if before is None or now_s <= before[1] else self._watts(before, (joules, now_s))
        return [Sensor(zone, ("package", zone.name), _PACKAGE_ALONE, lambda: watts, rank=2)]

    def _watts(self, before: tuple[float, float], now: tuple[float, float]) -> float | None:
        used = now[0] - before[0]
        if used < 0:
            used += sysfs.number(self._root / PACKAGE / "max_energy_range_uj", 1e-6) or 0.0
        return None if used < 0 else used / (now[1] - before[1])


def _draw(battery: batteries.Battery | None, root: Path) -> list[Sensor]:
    """What leaves the battery is what the device draws, while nothing else feeds it."""
    if battery is None or battery.watts is None:
        return []
    unfit = "" if battery.discharging else "not discharging"
    names, source = ("battery", battery.source), f"{battery.source}, discharging"
    return [Sensor(root / "class/power_supply", names, source, partial(float, battery.watts), rank=1, unfit=unfit)]


def _charge(battery: batteries.Battery | None) -> Found[float | None] | None:
    if battery is None:
        return None
    source = f"{battery.source} ({battery.note})" if battery.note else battery.source
    return Found(battery.percent, source, battery.why, battery.left, battery.fault)


def _undervoltage(root: Path, bits: int | None) -> Found[bool] | None:
    """Whether the supply is below what the board needs: by the firmware's `bits`, else by its hwmon alarm."""
    if bits is not None:
        return Found(bool(bits & _UNDERVOLTAGE), "firmware")
    alarms = list(sysfs.numbers(root / "class/hwmon", "hwmon*/in0_lcrit_alarm"))
    return Found(any(value for _, value in alarms), sysfs.label(alarms[0][0].parent)) if alarms else None


def _frequency(frequencies: Path) -> Found[float | None] | None:
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
