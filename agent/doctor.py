"""`agent doctor`: what an agent would find on this device, what is missing, and the exact way to mend it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent import clock, runtimes, sysfs
from agent.config import Config
from agent.sensed import Reading
from agent.sensors import PACKAGE, Sensors
from agent.thermometers import trip_of
from agent.wire.profile import Runtime

_BROKER_S = 3.0
_EXTRAS = {Runtime.ONNXRUNTIME: "worker", Runtime.NCNN: "worker-ncnn"}
_RAPL_S = 0.2  # between two looks at an energy counter
_NPY = b"\x93NUMPY"
_FREE_BYTES = 64 * 2**20
_BUILT_UNIX_S = 1_767_225_600.0  # 2026-01-01: no clock of a device that runs this is earlier
_EPHEMERAL = ("tmpfs", "ramfs", "overlay")


class Level(StrEnum):
    OK = "ok"
    MISSING = "missing"  # works without, with less to tell
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is what to do, empty where all is well."""

    level: Level
    what: str
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """Where to look: the roots of the pseudo file systems, the device's clock, and whether anything keeps that."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    wall_unix_s: Callable[[], float] = time.time
    synchronised: Callable[[], bool] = clock.synchronised


def examine(config: Config, device: Device) -> Iterator[Finding]:
    """Every finding, as it is made."""
    yield _runtime(config)
    yield from _sensed(config, device)
    yield _memory_cap(device)
    yield _state(config, device)
    yield from _replay(config)
    yield _clock(device)
    yield _broker(config)


def _runtime(config: Config) -> Finding:
    name = config.profile.runtime
    if importlib.util.find_spec(name) is None:
        return Finding(Level.BROKEN, "runtime", f"{name} is not installed", f"pip install 'hedgerow[{_EXTRAS[name]}]'")
    packages = importlib.metadata.packages_distributions().get(name, [])  # onnxruntime-gpu is onnxruntime too
    told = ", ".join(f"{each} {importlib.metadata.version(each)}" for each in sorted(set(packages)))
    told = told or f"{name} of an unknown version"
    if wrong := runtimes.trouble(name):
        other = next(each for each in Runtime if each != name)
        fix = f"install a version that is built for this processor, or declare 'runtime: {other}' in the profile"
        return Finding(Level.BROKEN, "runtime", f"{told} does not run here: {wrong}", fix)
    return Finding(Level.OK, "runtime", told)


def _sensed(config: Config, device: Device) -> Iterator[Finding]:
    sensors = Sensors(device.sys, time.monotonic, config.sensors)
    sensors.read()
    time.sleep(_RAPL_S)
    found = sensors.read()
    trip = trip_of(device.sys, config.sensors.temperature)
    shown = {
        "temperature": (found.temperature_celsius, "{:.1f} C"),
        "power": (found.power_watts, "{:.2f} W"),
        "battery": (found.battery_percent, "{:.0f} %"),
        "frequency": (None if found.frequency_hz is None else found.frequency_hz / 1e9, "{:.2f} GHz"),
        "undervoltage": (found.undervoltage, "{}"),
    }
    for name, (value, form) in shown.items():
        if value is not None:
            yield Finding(Level.OK, name, f"{form.format(value)} from {found.sources[name]}")
        else:
            yield _unsensed(name, found, config, device)
        for text in found.left.get(name, ()):
            yield Finding(Level.OK, "not taken", f"{name} from {text}")
    if trip is not None:
        yield Finding(Level.OK, "trip point", f"{trip.value:.0f} C, {trip.source}")
    if found.undervoltage:
        yield Finding(Level.BROKEN, "supply", "the board is undersupplied", "a stronger power supply, a shorter cable")


def _unsensed(name: str, found: Reading, config: Config, device: Device) -> Finding:
    """Nothing is known of `name`: the sensor that was named is not there, what it says cannot be, or there is none."""
    if name in found.faults:
        fix = f"name another, or none, under 'sensors.{name}' in the configuration; the agent goes on without"
        return Finding(Level.BROKEN, name, f"absent: {found.faults[name]}", fix)
    if name in found.implausible:
        another = f", or name another sensor: 'sensors: {{{name}: TYPE or PATH}}' in the configuration"
        fix = "mend its driver" + (another if hasattr(config.sensors, name) else "")
        return Finding(Level.MISSING, name, f"absent: {found.implausible[name]}", fix)
    text = f"nothing just now from {found.sources[name]}" if name in found.sources else "no sensor"
    return Finding(Level.MISSING, name, text, _without(name, config, device))


def _without(name: str, config: Config, device: Device) -> str:
    """What follows from a missing sensor, or how to get it."""
    if name != "power":
        return f"telemetry has no {name}"
    counter = device.sys / PACKAGE / "energy_uj"
    if counter.exists() and not os.access(counter, os.R_OK):
        return f"may not read {counter}: chgrp it to the agent's group and chmod g+r, by a udev rule"
    if config.profile.power is not None:
        return "it is modelled from the profile's idle and busy watts"
    return "declare 'power: {idle, busy}' in the profile, and it is modelled"


def _memory_cap(device: Device) -> Finding:
    unified = sysfs.text(device.sys / "fs/cgroup/cgroup.controllers")
    if unified is not None and "memory" in unified.split():
        return Finding(Level.OK, "memory cap", "cgroup v2, where the agent is given a part of it (Delegate=memory)")
    if unified is None:
        text, fix = "no cgroup v2 at /sys/fs/cgroup", "boot with systemd.unified_cgroup_hierarchy=1"
    else:
        text = "the kernel's memory cgroup is switched off"
        fix = "append 'cgroup_enable=memory' to the line in /boot/firmware/cmdline.txt (Raspberry Pi), and reboot"
    return Finding(Level.MISSING, "memory cap", f"{text}: RLIMIT_DATA caps the worker instead", fix)


def _state(config: Config, device: Device) -> Finding:
    folder = config.state
    while not folder.exists():
        folder = folder.parent
    kind = _file_system(folder, device)
    if kind in _EPHEMERAL:
        return Finding(
            Level.BROKEN, "state", f"{folder} is on {kind}: lost when power is", "set 'state' to a real disk"
        )
    disk = os.statvfs(folder)
    free, needed = disk.f_bavail * disk.f_frsize, 2 * (config.profile.storage_bytes or 0) + _FREE_BYTES
    text = f"{config.state} on {kind or 'an unknown file system'}, {free / 2**20:.0f} MiB free"
    if free < needed:
        fix = f"two artifacts and the spool need {needed / 2**20:.0f} MiB: free some, or lower 'storage' in the profile"
        return Finding(Level.BROKEN, "state", text, fix)
    if not os.access(folder, os.W_OK):
        return _unwritable(config.state)
    return Finding(Level.OK, "state", text)


def _unwritable(state: Path) -> Finding:
    """By the user who asks, who need not be the agent's."""
    if state.exists():
        fix = f"ask as the agent's user (sudo -u USER), or make it that user's: chown -R USER {state}"
        return Finding(Level.BROKEN, "state", f"{state} cannot be written by this user", fix)
    fix = f"the unit makes it at its first start; without systemd: sudo install -d -m 700 -o USER {state}"
    return Finding(Level.MISSING, "state", f"{state} is not there, and this user may not make it", fix)


def _file_system(folder: Path, device: Device) -> str | None:
    """Of the longest mount point above `folder`."""
    mounts = (line.split() for line in (sysfs.text(device.proc / "mounts") or "").splitlines())
    above = [(len(point), kind) for _, point, kind, *_ in mounts if folder.resolve().is_relative_to(point)]
    return max(above, default=(0, None))[1]


def _replay(config: Config) -> Iterator[Finding]:
    if not isinstance(config.replay, Path):
        return
    with config.replay.open("rb") as file:
        is_array = file.read(len(_NPY)) == _NPY
    if is_array:
        yield Finding(Level.OK, "replay", str(config.replay))
    else:
        fix = "numpy.save an array of inputs [n, ...]"
        yield Finding(Level.MISSING, "replay", f"{config.replay} is no .npy: inputs will be random", fix)


def _clock(device: Device) -> Finding:
    now = device.wall_unix_s()
    told = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < _BUILT_UNIX_S:
        fix = "timedatectl set-ntp true, or once by hand: date -s"
        return Finding(Level.BROKEN, "clock", f"{told} is before this software was made", fix)
    if not device.synchronised():
        fix = "timedatectl set-ntp true, or chrony"
        return Finding(Level.MISSING, "clock", f"{told}, not known to be synchronised", fix)
    return Finding(Level.OK, "clock", f"{told}, synchronised")


def _broker(config: Config) -> Finding:
    where = f"{config.host}:{config.port}"
    try:
        socket.create_connection((config.host, config.port), _BROKER_S).close()
    except OSError as error:
        fix = f"check 'broker', the network and the firewall: nc -vz {config.host} {config.port}"
        return Finding(Level.BROKEN, "broker", f"{where}: {error.strerror or error}", fix)
    return Finding(Level.OK, "broker", f"{where} answers")
