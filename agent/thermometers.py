"""The processor's temperature, known by what the kernel calls its sensors; trip points likewise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from agent import sysfs
from agent.choice import Choice, Found, Sensor, choose, words
from agent.sensed import known
from agent.wire.ranges import TEMPERATURE

_PROCESSOR, _CHIP, _UNKNOWN = range(0, 6, 2)  # a zone; a chip of hwmon, which may repeat one, goes after it
# What drivers, device trees and firmware call their zones and chips, with "-" and " " as "_". Where several words fit
# the first counts: a graphics zone of a processor is graphics.
_UNFIT = (
    (r"iwlwifi|wlan|wifi|ath\d+k|mt7\d{3}|brcmf|rtw|modem|mdm|pa_therm|(.*_)?phy\d*(_|$)", "a radio's"),
    (r"nvme|drivetemp|sata|emmc|ufs|ssd", "a disk's"),
    (r"(.*_)?bat(tery|t)?(\d|_|$)|bms|(.*_)?charger", "a battery's"),
    (r"(.*_)?gpu|amdgpu|radeon|nouveau|i915|xe$", "the graphics'"),
    (r"(.*_)?(ddr|dram)\d*(_|$)|.*dimm|jc42|spd5118|mem(ory)?(_|$)", "the memory's"),
    (r".*pmic|pm[a-z]?\d+|.*regulator|pch_", "another chip's"),
    (r"(.*_)?skin|case|quiet|xo_therm|ambient|lcd|camera|usb|sfp|w1_slave", "of what is around"),
    (r"int340[0-9a-f]_thermal", "a policy, no sensor"),
)
_FIT = (
    (r"x86_pkg_temp|coretemp|k(8|10)temp|zenpower|.*cpu|package|pkg|(big|little|mid)_?core|cluster\d", _PROCESSOR),
    (r"(.*_)?soc(_|\d|$)|tj|bcm2\d+_|imx|exynos|tsens|.*tmu|armada|(.*_)?ap\d*(_thermal|$)", _CHIP),
)


def read(root: Path, named: str | None) -> Found[float | None] | None:
    """The hottest sensor of the processor; of its chip, or of what nobody knows, where it has none. None: no sensor."""
    choice = _chosen(root, named)
    left = words(_told(choice))
    if not choice.taken:
        return Found(None, "", left=left, fault=choice.fault) if left or choice.fault else None
    wrong = {each: why for each in choice.taken if each.value is not None and (why := TEMPERATURE.why_not(each.value))}
    right = [(each.value, each.source) for each in choice.taken if each.value is not None and each not in wrong]
    if right:
        value, source = max(right)
        return Found(value, source, left=left + tuple(f"{each.source}: {why}" for each, why in wrong.items()))
    source = ", ".join(dict.fromkeys(each.source for each in choice.taken))
    return Found(None, source, why="; ".join(wrong.values()), left=left)


def trip_of(root: Path, named: str | None = None) -> Found[float] | None:
    """The lowest temperature at which the kernel starts to act: by slowing down, or by switching off.

    That of the zone that is taken; where it has none, of any that may be; where no zone has one it is the lowest that a
    chip itself calls critical.
    """
    choice = _chosen(root, named)
    others = [each for each, _ in choice.left if not each.unfit]
    trips = [trip for each in choice.taken for trip in _trips(each.path)]
    trips = trips or [trip for each in others for trip in _trips(each.path)]
    if not trips:
        chips = sysfs.numbers(root / "class/hwmon", "hwmon*/temp*_crit", 1e-3)
        fit = [(path, value) for path, value in chips if not isinstance(_kind(_name(path.parent)), str)]
        trips = [Found(value, f"{sysfs.label(path.parent)}, critical") for path, value in fit if _is_trip(value)]
    return min(trips, key=lambda each: each.value, default=None)


def _is_trip(celsius: float) -> bool:
    """0 stands for one that is switched off."""
    return celsius > 0 and not TEMPERATURE.why_not(celsius)


def _trips(temperature: Path) -> Iterator[Found[float]]:
    for path, value in sysfs.numbers(temperature.parent, "trip_point_*_temp", 1e-3):
        kind = sysfs.text(path.with_name(path.name.replace("_temp", "_type")))
        if kind in ("passive", "hot", "critical") and _is_trip(value):
            yield Found(value, f"{sysfs.label(path.parent)}, {kind}")


def _chosen(root: Path, named: str | None) -> Choice:
    """What says nothing just now is not there."""
    found = [each for each in _sensors(root) if named is not None or each.unfit or each.value is not None]
    return choose(found, named, root)


def _told(choice: Choice) -> Choice:
    """Of what was left but may be the processor's, a value that cannot be is told: its driver is broken."""
    left = []
    for sensor, why in choice.left:
        value = None if sensor.unfit else sensor.value
        left.append((sensor, (value is not None and TEMPERATURE.why_not(value)) or why))
    return replace(choice, left=tuple(left))


def _sensors(root: Path) -> list[Sensor]:
    """Thermal zones, and chips of hwmon; one that repeats a zone, or of an unknown kind beside zones, is left out."""
    zones = [_sensor(path) for path in sorted((root / "class/thermal").glob("thermal_zone*/temp"))]
    repeated = {_plain(name) for zone in zones for name in zone.names}
    chips = [_sensor(path, after=1) for path in sorted((root / "class/hwmon").glob("hwmon*/temp*_input"))]
    fit_zones = any(not zone.unfit for zone in zones)
    return zones + [
        each
        for each in chips
        if _plain(_name(each.path.parent)) not in repeated
        and (each.unfit or each.rank == _PROCESSOR + 1 or not fit_zones)
    ]


def _sensor(path: Path, after: int = 0) -> Sensor:
    kind, label = _name(path.parent), sysfs.text(path.with_name(path.name.replace("_input", "_label")))
    fit = _kind(kind)
    look = partial(sysfs.number, path, 1e-3)
    names, source = tuple(filter(None, known((kind, label)))), sysfs.label(path.parent)
    if isinstance(fit, str):
        return Sensor(path, names, source, look, unfit=f"{fit}, not the processor's")
    return Sensor(path, names, source, look, rank=fit + after)


@cache
def _kind(name: str) -> int | str:
    """A rank, or whose it is that is not to be taken for the processor's."""
    plain = _plain(name)
    whose = next((whose for pattern, whose in _UNFIT if re.match(pattern, plain)), None)
    return whose or next((rank for pattern, rank in _FIT if re.match(pattern, plain)), _UNKNOWN)


def _name(folder: Path) -> str:
    return sysfs.text(folder / "name") or sysfs.text(folder / "type") or ""


def _plain(name: str) -> str:
    return re.sub(r"[- ]", "_", name.lower())
