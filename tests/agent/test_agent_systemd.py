"""What systemd is told, over the socket that it would listen on, and the unit that starts the agent."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from realagent import Agent
from realbroker import RealBroker

from agent.systemd import Systemd

UNIT = Path(__file__).parents[2] / "deploy/systemd/hedgerow-agent.service"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


def test_the_watchdog_is_pinged_at_half_its_interval(manager: socket.socket) -> None:
    told = Systemd({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "7"}, pid=7)
    told.ready()
    for now_s in (100.0, 104.9, 105.0):
        told.alive(now_s, "active")
    told.stopping()
    heard = [manager.recv(100) for _ in range(4)]
    assert heard == [b"READY=1", b"WATCHDOG=1\nSTATUS=active", b"WATCHDOG=1\nSTATUS=active", b"STOPPING=1"]


@pytest.mark.parametrize("extra", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "8"}, {"WATCHDOG_USEC": "x"}])
def test_without_a_watchdog_of_its_own_nothing_is_pinged(manager: socket.socket, extra: dict[str, str]) -> None:
    told = Systemd({"NOTIFY_SOCKET": manager.getsockname(), **extra}, pid=7)
    told.alive(0.0, "active")
    told.stopping()
    assert manager.recv(100) == b"STOPPING=1"


def test_an_abstract_address_and_a_deaf_manager() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0hedgerow-{os.getpid()}")
        listening.settimeout(10)
        Systemd({"NOTIFY_SOCKET": f"@hedgerow-{os.getpid()}"}, 1).ready()
        assert listening.recv(100) == b"READY=1"
    Systemd({"NOTIFY_SOCKET": "/nonexistent"}, 1).ready()
    Systemd({}, 1).ready()


@pytest.mark.e2e
def test_a_real_agent_says_when_it_is_ready_alive_and_ending(
    tmp_path: Path, broker: RealBroker, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    agent = Agent(tmp_path, broker.port)
    agent.start()
    assert manager.recv(100) == b"READY=1"
    assert manager.recv(100).startswith(b"WATCHDOG=1\nSTATUS=idle, ")
    assert agent.end(signal.SIGTERM) == 0
    heard = [manager.recv(100)]
    while not heard[-1].startswith(b"STOPPING"):
        heard.append(manager.recv(100))


@pytest.fixture
def unit() -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(UNIT)
    return read


def test_the_unit_waits_for_no_network_and_no_clock(unit: configparser.ConfigParser) -> None:
    assert unit["Unit"]["After"] == "network.target"
    assert not {"Wants", "Requires", "BindsTo"} & set(unit["Unit"])


def test_a_stop_is_for_the_agent_which_ends_its_worker_itself(unit: configparser.ConfigParser) -> None:
    assert unit["Service"]["KillMode"] == "mixed"


def test_the_unit_names_a_command_that_exists(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert service["ExecStart"].split()[:3] == ["/opt/hedgerow/bin/agent", "run", "-c"]
    helped = subprocess.run([sys.executable, "-m", "agent.cli", "run", "--help"], capture_output=True, check=True)
    assert b"--config" in helped.stdout
    assert (service["Type"], service["ProtectSystem"], service["OOMPolicy"]) == ("notify", "strict", "continue")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/hedgerow/bin/agent", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
