"""The demo's scratch tree: settings, one directory a device with its profile, agent configuration and sensors.

What is emulated is the devices' pace and their heat and battery, and both are labelled. Every device runs on this host
at a pace at which it takes `DENSE_ON_DEVICE_S` for the dense model; its profile's `speed` is what that amounts to.
Sensors are files written by the physics process from each agent's own measured duty.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from agent.wire.profile import Profile, parse_profile
from agent.wire.work import WorkerSpec
from agent.worker.ask import tried
from controller.client import Row
from controller.core.artifacts import file_name

DENSE_ON_DEVICE_S = 0.040
WINDOW_S = 2.0
_TRIED_GFLOPS = 1.0
_TRIALS = 3
AMBIENT_CELSIUS = 25.0
_POLICY = """\
# Patience scaled to windows of 2 seconds.
policy:
  soak_s: 3
  retry_s: 5
  resend_s: 5
  cooldown_s: 30
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Of the demo's devices: what they multiply matrices at, and their speed relative to this host."""

    gflops: float
    speed: float


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: `root` for everything, ports on loopback."""

    root: Path
    http_port: int
    broker_port: int

    @property
    def controller_state(self) -> Path:
        return self.root / "controller"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def device(self, device: str) -> Path:
        return self.root / "devices" / device


def profiles_directory() -> Path:
    """`deploy/demo` of the checkout, or its copy inside an installed package."""
    installed = Path(__file__).parent / "profiles"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "deploy" / "demo"


def demo_profiles() -> list[tuple[Profile, str]]:
    """The demo's devices, each with its profile's text."""
    files = sorted(profiles_directory().glob("*.yaml"))
    return [(parse_profile(file.read_text(), str(file)), file.read_text()) for file in files]


def set_stage(root: Path) -> Stage:
    """An empty tree at `root` (what an earlier demo left there goes) and two free ports."""
    if root.exists():
        if any(root.iterdir()) and not (root / "demo.json").exists():
            raise ValueError(f"{root} is not empty and not an earlier demo's: choose another --state")
        shutil.rmtree(root)
    stage = Stage(root, *_free_ports(2))
    stage.controller_state.mkdir(parents=True)
    (root / "demo.json").write_text(json.dumps({"http_port": stage.http_port, "broker_port": stage.broker_port}))
    (stage.controller_state / "controller.yaml").write_text(_POLICY)
    return stage


def paced(stage: Stage, dense: Row, say: Callable[[str], None]) -> Pace:
    """By trials of the dense model on a device of `_TRIED_GFLOPS`; `dense` is as the controller measured it.

    Raises `agent.worker.ask.TrialError`.
    """
    path = stage.controller_state / "artifacts" / file_name(dense["sha256"], dense["runtime"])
    spec = WorkerSpec(path=str(path), sha256=dense["sha256"], runtime=dense["runtime"], emulated_gflops=_TRIED_GFLOPS)
    seconds = list[float]()
    for number in range(1, _TRIALS + 1):
        say(f"trial {number} of {_TRIALS}: the dense model at the pace of a device")
        seconds.append((tried(spec).trial.latency_p95_ms or 0.0) * 1e-3)
    tried_s = median(seconds)
    return Pace(
        gflops=_TRIED_GFLOPS * tried_s / DENSE_ON_DEVICE_S, speed=dense["latency_p95_ms"] * 1e-3 / DENSE_ON_DEVICE_S
    )


def set_device(stage: Stage, profile: Profile, text: str, pace: Pace, replay: Path) -> None:
    """One device's directory: `profile.yaml`, `agent.yaml` and an empty sensor root."""
    home = stage.device(profile.device)
    (home / "sysfs").mkdir(parents=True)
    (home / "profile.yaml").write_text(f"{text.rstrip()}\nspeed: {pace.speed:.6f}  # emulated on this host\n")
    (home / "agent.yaml").write_text(
        f"profile: profile.yaml\n"
        f"broker: 127.0.0.1:{stage.broker_port}\n"
        f"state: state\n"
        f"trusted_key: {stage.controller_state / 'keys' / 'controller.pub'}\n"
        f"sysfs: sysfs\n"
        f"window: {WINDOW_S:g} s\n"
        f"replay: {replay}\n"
        f"emulate: {{gflops: {pace.gflops:.3f}}}\n"
    )


def physics_spec(stage: Stage, profiles: Iterable[Profile]) -> Path:
    """What the physics process needs to know of every device that has heat or a battery."""
    spec = [_physics(stage, profile) for profile in profiles if profile.power is not None]
    file = stage.root / "physics.json"
    file.write_text(json.dumps({"devices": spec}, indent=1))
    return file


def warm(stage: Stage, device: str, ambient_celsius: float) -> None:
    """Change a device's surroundings; the physics process reads the file again."""
    file = stage.device(device) / "sysfs" / "ambient"
    part = file.with_suffix(".part")
    part.write_text(f"{ambient_celsius}\n")
    part.replace(file)


def _physics(stage: Stage, profile: Profile) -> dict[str, object]:
    assert profile.power is not None
    home, thermal, battery = stage.device(profile.device), profile.thermal, profile.battery
    return {
        "id": profile.device,
        "status_path": str(home / "state" / "status.json"),
        "sysfs": str(home / "sysfs"),
        "idle_watts": profile.power.idle_watts,
        "busy_watts": profile.power.busy_watts,
        "ambient_celsius": thermal.ambient_celsius if thermal else AMBIENT_CELSIUS,
        "resistance_celsius_per_watt": thermal.resistance_celsius_per_watt if thermal else None,
        "time_constant_s": thermal.time_constant_s if thermal else None,
        "capacity_watt_hours": battery.capacity_watt_hours if battery else None,
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
