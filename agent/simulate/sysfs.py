"""`python -m agent.simulate.sysfs --spec FILE.json`: heat, power meters and batteries for agents on one host.

One process for many devices. A few times a second it reads from each agent's `status.json` how long its model has been
busy, lets heat flow and charge drain, and writes what the kernel of such a device would show below a scratch `sysfs`
root. A file `ambient` in that root (degrees Celsius, as text) replaces the surroundings' temperature while it is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import msgspec

from agent.simulate import physics
from agent.slots import replace_atomically

STEP_S = 0.25
IDLE_AFTER_S = 5.0
SILENT_WINDOWS = 3
RESISTANCE_CELSIUS_PER_WATT, TIME_CONSTANT_S = 8.0, 30.0


class DeviceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One device: where its agent's status is, where its sensors are to be, and what it is made of.

    Without a thermal figure it is a small board, without a capacity it hangs on the mains.
    """

    id: str
    status_path: str
    sysfs: str
    ambient_celsius: float = 25.0
    resistance_celsius_per_watt: float | None = None
    time_constant_s: float | None = None
    idle_watts: float = 1.0
    busy_watts: float = 3.0
    capacity_watt_hours: float | None = None
    initial_percent: float = 100.0

    @property
    def body(self) -> physics.Body:
        return physics.Body(
            resistance_celsius_per_watt=self.resistance_celsius_per_watt or RESISTANCE_CELSIUS_PER_WATT,
            time_constant_s=self.time_constant_s or TIME_CONSTANT_S,
            idle_watts=self.idle_watts,
            busy_watts=self.busy_watts,
            battery_watt_hours=self.capacity_watt_hours,
        )


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    devices: list[DeviceSpec]


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of an agent's status: which process, and how long its model has been busy since it started."""

    pid: int
    busy_s_total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One device between two steps.

    An agent tells its busy time once a window, not as it passes: what came since the last time, `every_s` before
    `seen_s`, gives the `duty` that is taken to hold until the next.
    """

    condition: physics.Condition
    duty: float = 0.0
    busy: Busy | None = None
    seen_s: float = 0.0
    every_s: float = 0.0


def live(spec: DeviceSpec, life: Life, busy: Busy | None, ambient_celsius: float, now_s: float, dt_s: float) -> Life:
    """The device `dt_s` later, at `now_s`; `busy` is the agent's status by now, None where there is none."""
    life = _observe(life, busy, now_s)
    condition = physics.advance(spec.body, life.condition, duty=life.duty, ambient_celsius=ambient_celsius, dt_s=dt_s)
    return replace(life, condition=condition)


def _observe(life: Life, busy: Busy | None, now_s: float) -> Life:
    """Duty from how far the busy time came since it last moved; standing still for long it means an idle device."""
    if busy is None or life.busy is None or busy.pid != life.busy.pid:
        return replace(life, busy=busy, seen_s=now_s, duty=0.0)
    worked_s, passed_s = busy.busy_s_total - life.busy.busy_s_total, now_s - life.seen_s
    if worked_s > 0 and passed_s > 0:
        return replace(life, busy=busy, seen_s=now_s, every_s=passed_s, duty=min(1.0, worked_s / passed_s))
    silent = passed_s > max(IDLE_AFTER_S, SILENT_WINDOWS * life.every_s)
    return replace(life, duty=0.0, every_s=0.0) if silent else life


def tree(spec: DeviceSpec, life: Life) -> Mapping[str, str]:
    """The files below the sysfs root, in the kernel's units: milli-degrees, micro-watts, micro-watt-hours."""
    watts = physics.power_watts(spec.body, life.duty)
    files = {
        "class/thermal/thermal_zone0/type": "soc-thermal",
        "class/thermal/thermal_zone0/temp": f"{life.condition.temperature_celsius * 1e3:.0f}",
        "class/hwmon/hwmon0/name": "simulated",
        "class/hwmon/hwmon0/power1_input": f"{watts * 1e6:.0f}",
    }
    percent, charge = physics.battery_percent(spec.body, life.condition), life.condition.charge_watt_hours
    if percent is None or charge is None or spec.capacity_watt_hours is None:
        return files
    return files | {
        "class/power_supply/BAT0/type": "Battery",
        "class/power_supply/BAT0/status": "Discharging",
        "class/power_supply/BAT0/capacity": f"{percent:.0f}",
        "class/power_supply/BAT0/power_now": f"{watts * 1e6:.0f}",
        "class/power_supply/BAT0/energy_now": f"{charge * 1e6:.0f}",
        "class/power_supply/BAT0/energy_full": f"{spec.capacity_watt_hours * 1e6:.0f}",
    }


def write(root: Path, files: Mapping[str, str]) -> None:
    """Each file is replaced at once, so that a sensor never reads half a number."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_atomically(path, f"{text}\n".encode())


def read_ambient(root: Path, otherwise_celsius: float) -> float:
    try:
        return float((root / "ambient").read_text())
    except (OSError, ValueError):
        return otherwise_celsius


def read_busy(path: Path) -> Busy | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Busy)
    except (OSError, msgspec.MsgspecError):
        return None


def run(spec: Spec) -> NoReturn:
    """Until the process is ended."""
    lives = {
        each.id: Life(condition=physics.at_rest(each.body, each.ambient_celsius, each.initial_percent))
        for each in spec.devices
    }
    then_s = time.monotonic()
    while True:
        now_s = time.monotonic()
        for each in spec.devices:
            root = Path(each.sysfs)
            busy, ambient = read_busy(Path(each.status_path)), read_ambient(root, each.ambient_celsius)
            lives[each.id] = live(each, lives[each.id], busy, ambient, now_s, now_s - then_s)
            write(root, tree(each, lives[each.id]))
        then_s = now_s
        time.sleep(STEP_S)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="agent.simulate.sysfs", description="Sensors for simulated devices.")
    parser.add_argument("--spec", type=Path, required=True, help="JSON: {devices: [{id, status_path, sysfs, ...}]}")
    path = parser.parse_args(arguments).spec
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=Spec)
    except (OSError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{path}: {error}\n")
        return 2
    run(spec)


if __name__ == "__main__":
    sys.exit(main())
