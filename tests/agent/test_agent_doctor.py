"""What the doctor finds on made-up devices, each with the fix that it names."""

from __future__ import annotations

import base64
import dataclasses
import importlib.metadata
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boards
import pytest
from boards import put
from fleet import KEY
from ports import free_port

from agent import clock
from agent.choice import Named
from agent.cli import main
from agent.config import Config, load_config
from agent.doctor import Device, Finding, Level, examine

NOW = 1_800_000_000.0
ROOT_MOUNT = {"proc/mounts": "/dev/mmcblk0p2 / ext4 rw 0 0"}
CGROUP = {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids"}


@pytest.fixture
def broker() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def config(home: Path, port: int, profile: str = "device: a\n") -> Config:
    (home / "profile.yaml").write_text(profile)
    (home / "key").write_text(base64.b64encode(KEY.public_key().public_bytes_raw()).decode())
    text = f"profile: profile.yaml\nbroker: 127.0.0.1:{port}\nstate: state\ntrusted_key: key\n"
    (home / "agent.yaml").write_text(text)
    return load_config(home / "agent.yaml", {})


def device(home: Path, *trees: boards.Tree, now: float = NOW, kept: bool = True) -> Device:
    for tree in trees:
        put(home / "root", tree)
    root = home / "root"
    return Device(sys=root / "sys", proc=root / "proc", wall_unix_s=lambda: now, synchronised=lambda: kept)


def sys(tree: boards.Tree) -> boards.Tree:
    return {f"sys/{name}": text for name, text in tree.items()}


def findings(config: Config, device: Device) -> dict[str, Finding]:
    return {each.what: each for each in examine(config, device)}


def test_a_device_where_all_is_well(tmp_path: Path, broker: int) -> None:
    trees = (ROOT_MOUNT, CGROUP, sys(boards.PI_5))
    found = findings(config(tmp_path, broker), device(tmp_path, *trees))
    assert [name for name, each in found.items() if each.level is Level.BROKEN] == []
    assert found["temperature"].text == "55.6 C from thermal_zone0 (cpu-thermal)"
    assert found["trip point"].text == "110 C, thermal_zone0 (cpu-thermal), critical"
    assert found["memory cap"].text == "cgroup v2, where the agent is given a part of it (Delegate=memory)"
    assert found["runtime"].text.startswith("onnxruntime 1.")
    assert found["clock"].text == "2027-01-15 08:00 UTC, synchronised"
    assert found["state"].text.startswith(f"{tmp_path}/state on ext4, ")
    assert all(bool(each.fix) == (each.level is not Level.OK) for each in found.values())


def test_a_pi_as_it_comes_has_no_memory_cgroup_and_a_weak_supply_is_seen(tmp_path: Path, broker: int) -> None:
    cgroup = {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids"}
    trees = (ROOT_MOUNT, cgroup, sys(boards.PI_4_ON_A_WEAK_SUPPLY))
    found = findings(config(tmp_path, broker), device(tmp_path, *trees))
    assert found["memory cap"].level is Level.MISSING
    assert "cgroup_enable=memory" in found["memory cap"].fix
    assert found["supply"].level is Level.BROKEN


def test_what_is_missing_says_what_follows(tmp_path: Path, broker: int) -> None:
    bare = device(tmp_path, ROOT_MOUNT, kept=False)
    found = findings(config(tmp_path, broker), bare)
    assert found["power"].fix == "declare 'power: {idle, busy}' in the profile, and it is modelled"
    assert found["battery"].fix == "telemetry has no battery"
    assert found["memory cap"].text.startswith("no cgroup v2")
    assert found["clock"].text.endswith("not known to be synchronised")
    declared = findings(config(tmp_path, broker, "device: a\npower: {idle: 1 W, busy: 3 W}\n"), bare)
    assert declared["power"].fix == "it is modelled from the profile's idle and busy watts"


def test_what_is_broken_names_the_fix(tmp_path: Path) -> None:
    port = free_port()
    mounts = {"proc/mounts": f"/dev/root / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0"}
    found = findings(config(tmp_path, port), device(tmp_path, mounts, now=0.0))
    assert found["broker"].text == f"127.0.0.1:{port}: Connection refused"
    assert found["state"].fix == "set 'state' to a real disk"
    assert found["clock"].text == "1970-01-01 00:00 UTC is before this software was made"


def unwritable(_path: Path, _mode: int) -> bool:
    return False


def test_before_the_first_start_nobody_is_told_to_take_the_folder_above(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = config(tmp_path, broker), device(tmp_path, ROOT_MOUNT)
    monkeypatch.setattr("agent.doctor.os.access", unwritable)
    found = findings(*asked)["state"]
    assert (found.level, found.text) == (
        Level.MISSING, f"{tmp_path}/state is not there, and this user may not make it",
    )  # fmt: skip
    assert found.fix.endswith(f"sudo install -d -m 700 -o USER {tmp_path}/state")
    (tmp_path / "state").mkdir()
    found = findings(*asked)["state"]
    assert found.level is Level.BROKEN
    assert found.fix.endswith(f"chown -R USER {tmp_path}/state")


def test_a_runtime_of_another_package_is_one(tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime-gpu": "1.23.0"}

    def version(package: str) -> str:
        if package not in versions:
            raise importlib.metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr("importlib.metadata.version", version)
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: {"onnxruntime": list(versions)})
    asked = config(tmp_path, broker), device(tmp_path, ROOT_MOUNT)
    assert findings(*asked)["runtime"].text == "onnxruntime-gpu 1.23.0"
    monkeypatch.setattr("importlib.metadata.packages_distributions", dict)
    assert findings(*asked)["runtime"].text == "onnxruntime of an unknown version"


def test_a_replay_that_is_no_array_is_told(tmp_path: Path, broker: int) -> None:
    asked, here = config(tmp_path, broker), device(tmp_path, ROOT_MOUNT)
    assert "replay" not in findings(asked, here)
    path = tmp_path / "inputs.npy"
    path.write_bytes(b"\x93NUMPY...")
    assert findings(dataclasses.replace(asked, replay=path), here)["replay"].level is Level.OK
    path.write_bytes(b"")
    assert "inputs will be random" in findings(dataclasses.replace(asked, replay=path), here)["replay"].text


@pytest.mark.parametrize(
    ("state", "maxerror", "kept"), [(0, 250_000, True), (5, 250_000, True), (5, 16_000_000, False), (-1, 0, False)]
)
def test_a_clock_is_kept_if_the_kernel_bounds_its_error(
    monkeypatch: pytest.MonkeyPatch, state: int, maxerror: int, kept: bool
) -> None:
    def adjtimex(told: Any) -> int:
        told._obj.maxerror = maxerror
        return state

    monkeypatch.setattr("agent.clock.ctypes.CDLL", lambda _name: SimpleNamespace(adjtimex=adjtimex))
    assert clock.synchronised() is kept


def test_this_host_is_asked_too() -> None:
    assert isinstance(clock.synchronised(), bool)


def test_too_little_room_for_two_artifacts(tmp_path: Path, broker: int) -> None:
    found = findings(config(tmp_path, broker, "device: a\nstorage: 900000 GB\n"), device(tmp_path, ROOT_MOUNT))
    assert found["state"].level is Level.BROKEN
    assert "lower 'storage'" in found["state"].fix


def test_the_command_prints_and_fails_where_something_is_broken(
    tmp_path: Path, broker: int, capsys: pytest.CaptureFixture[str]
) -> None:
    config(tmp_path, broker)
    assert main(["doctor", "-c", str(tmp_path / "agent.yaml"), "--broker", "127.0.0.1:1"]) == 1
    out = capsys.readouterr().out
    assert "broken   broker        127.0.0.1:1: Connection refused" in out
    assert "-> check 'broker'" in out


def told(config: Config, device: Device) -> list[tuple[str, str]]:
    return [(each.what, each.text) for each in examine(config, device)]


def test_the_doctor_tells_which_sensors_were_taken_and_which_were_left_and_why(tmp_path: Path, broker: int) -> None:
    zones = {**boards.zone(0, "cpu-thermal", 45_000), **boards.zone(1, "iwlwifi_1", 62_000)}
    found = told(config(tmp_path, broker), device(tmp_path, ROOT_MOUNT, sys(zones)))
    assert ("temperature", "45.0 C from thermal_zone0 (cpu-thermal)") in found
    assert ("not taken", "temperature from thermal_zone1 (iwlwifi_1): a radio's, not the processor's") in found


def test_the_doctor_says_why_a_sensor_that_lies_is_absent(tmp_path: Path, broker: int) -> None:
    here = device(tmp_path, ROOT_MOUNT, sys(boards.zone(0, "cpu", 127_850_000)))
    found = findings(config(tmp_path, broker), here)["temperature"]
    reason = "absent: thermal_zone0 (cpu): 127850 C is outside -60 to 150 C"
    assert (found.level, found.text) == (Level.MISSING, reason)
    assert "sensors: {temperature: TYPE or PATH}" in found.fix
    put(tmp_path / "root", sys(boards.clock(4_294_967_295, 1_500_000, 1_500_000)))
    assert findings(config(tmp_path, broker), here)["frequency"].fix == "mend its driver"


def test_a_named_sensor_that_is_not_there_is_broken_and_says_what_there_is(tmp_path: Path, broker: int) -> None:
    here = device(tmp_path, ROOT_MOUNT, sys(boards.zone(0, "cpu-thermal", 45_000)))
    asked = dataclasses.replace(config(tmp_path, broker), sensors=Named(temperature="cpu_termal"))
    found = findings(asked, here)["temperature"]
    assert found.level is Level.BROKEN
    assert found.text == "absent: no 'cpu_termal' is there; there is: cpu-thermal"


def test_a_runtime_that_is_there_and_dies_is_broken(
    tmp_path: Path, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime/__init__.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    found = findings(config(tmp_path, broker), device(tmp_path, ROOT_MOUNT))["runtime"]
    assert found.level is Level.BROKEN
    assert found.text.endswith(" does not run here: signal 11 while importing onnxruntime")
    assert "'runtime: ncnn'" in found.fix
