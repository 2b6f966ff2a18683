"""Real processes on this machine for a test: a controller with its embedded broker, and agents, on loopback.

Each process leads a session of its own. Only processes that were started here, or were seen among the children of one,
are ever ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from sqlalchemy import create_engine, text

from agent.record import Record
from agent.slots import Slots
from controller.client import Client, ClientError, Row
from controller.store import Store
from tests.databases import Databases

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
WINDOW_S = 0.5
TAIL_LINES = 15
_POLICY = "policy: {soak_s: 1, retry_s: 2, resend_s: 2, cooldown_s: 10, repair_deadline_s: 60}\n"


class Process:
    """`python -m module arguments...`, its output in `log`; it may be started again after its end."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], log: Path) -> None:
        self.name, self._log = name, log
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: list[psutil.Process] = []

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[psutil.Process]:
        """Everything below it now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid).children(recursive=True)
            self._seen += found
            return found
        return []

    def kill(self) -> list[psutil.Process]:
        """SIGKILL to it alone; returns what it leaves behind."""
        left = self.children()
        self._signal(signal.SIGKILL)
        return left

    def terminate(self, limit_s: float = 10.0) -> tuple[int, list[psutil.Process]]:
        """SIGTERM; its exit code, and the children that it had."""
        had = self.children()
        return self._signal(signal.SIGTERM, limit_s), had

    def wait(self, limit_s: float) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {limit_s} s:\n{self.tail()}") from None

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def tail(self) -> str:
        return "\n".join(self.log().splitlines()[-TAIL_LINES:])

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self.alive:
            self.children()
            os.killpg(self.pid, signal.SIGKILL)  # its leader is not reaped, so the group is still ours
            self.wait(10.0)
        for process in self._seen:
            if not gone(process):
                process.kill()  # psutil knows a recycled process id from the process that it met

    def _signal(self, number: signal.Signals, limit_s: float = 10.0) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self.wait(limit_s)


class Controller(Process):
    def __init__(self, root: Path, databases: Databases, ports: tuple[int, int], name: str = "controller") -> None:
        """`ports` are those of the API and of the broker."""
        self.state = root / "controller"
        self.state.mkdir(parents=True, exist_ok=True)
        self._database = databases.url(self.state)
        (self.state / "controller.yaml").write_text(_POLICY)
        self.http_port, self.broker_port = ports
        self.api = f"http://127.0.0.1:{self.http_port}"
        flags = ["--state", str(self.state), "--http", f"127.0.0.1:{self.http_port}"]
        flags += ["--broker", f"embedded:127.0.0.1:{self.broker_port}", "--database", self._database]
        super().__init__(name, "controller.cli", ["serve", *flags], root / f"{name}.log")

    def seqs(self, device: str) -> dict[str, list[int]]:
        """The windows of a device in the database: every row's seq by boot, in order."""
        store = Store(self._database)
        store.open()
        with store.read() as tx:
            found = tx.recent_windows(device, 1_000_000)
        store.close()
        return _by_boot(sorted(((each.boot, each.window.seq) for each in found), key=lambda each: each[1]))

    def assignments(self, device: str) -> list[tuple[int, str, str | None]]:
        """(seq, sha256, result) of every assignment that was ever made for a device, oldest first."""
        return self._rows("SELECT seq, sha256, result FROM desired WHERE device = :device ORDER BY seq", device)

    def _rows(self, query: str, device: str) -> list[Any]:
        engine = create_engine(self._database)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query), {"device": device})]
        engine.dispose()
        return found


class Agent(Process):
    """`agent run` with an empty sensor root; the device's state is `state`."""

    def __init__(self, root: Path, device: str, controller: Controller, *lines: str) -> None:
        home = root / device
        (home / "sysfs").mkdir(parents=True)
        (home / "profile.yaml").write_text("\n".join([f"device: {device}", "rate: 20 Hz", *lines]) + "\n")
        (home / "agent.yaml").write_text(
            f"profile: profile.yaml\nbroker: 127.0.0.1:{controller.broker_port}\nstate: state\n"
            f"trusted_key: {controller.state / 'keys' / 'controller.pub'}\nsysfs: sysfs\nwindow: {WINDOW_S} s\n"
        )
        self.device, self.state = device, home / "state"
        super().__init__(device, "agent.cli", ["run", "-c", str(home / "agent.yaml")], home / "log")

    def status(self) -> Row:
        """What it wrote down of itself; empty before it did so for the first time."""
        with contextlib.suppress(OSError):
            status: Row = json.loads((self.state / "status.json").read_text())
            return status if status["pid"] == self.pid else {}
        return {}

    def record(self) -> Record:
        return Slots(self.state).load()

    def serves(self) -> str | None:
        """The sha256 that this process has run inferences with."""
        status = self.status()
        return status["sha256"] if status.get("busy_s_total", 0) > 0 else None

    def artifact(self, sha256: str) -> Path:
        return self.state / "artifacts" / f"{sha256}.artifact"

    def part_bytes(self) -> int:
        """How much of an artifact has come in so far."""
        with contextlib.suppress(OSError):
            return sum(part.stat().st_size for part in (self.state / "artifacts").glob("*.part"))
        return 0

    def spooled(self) -> dict[str, list[int]]:
        """The windows that nobody has acknowledged yet: every seq by boot, in order."""
        spool = f"file:{self.state / 'spool.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(spool, uri=True, timeout=10.0)) as connection:
            return _by_boot(connection.execute("SELECT boot, seq FROM window ORDER BY seq").fetchall())


class Grounds:
    """All processes of a test module; `until` fails with the tails of their logs."""

    def __init__(self, root: Path, databases: Databases) -> None:
        self.root, self.databases = root, databases
        self.controller = Controller(root, databases, free_ports())
        self.client = Client(self.controller.api, timeout_s=10.0)
        self.agents: dict[str, Agent] = {}
        self._all: list[Process] = [self.controller]

    def start_controller(self) -> None:
        self.controller.start()
        self.until(self.healthy, 40, "the controller answers")

    def healthy(self) -> bool:
        assert self.controller.alive, f"the controller has ended:\n{self.controller.tail()}"
        with contextlib.suppress(ClientError):
            return bool(self.client.health())
        return False

    def add(self, device: str, *lines: str, environment: Mapping[str, str] | None = None) -> Agent:
        """An agent that announces itself, started and known to the controller."""
        agent = Agent(self.root, device, self.controller, *lines)
        self.agents[device] = agent
        self._all.append(agent)
        agent.start(environment)
        self.until(lambda: device in {row["id"] for row in self.client.devices()}, 30, f"{device} announces itself")
        return agent

    def also(self, process: Process) -> Process:
        """A further process to end with the others."""
        self._all.append(process)
        return process

    def settled(self, agent: Agent) -> bool:
        """It runs what it should, says so, and its newest window is of that."""
        row = self.client.device(agent.device)
        runs = row["sha256"] is not None and row["sha256"] == row["desired_sha256"] and row["result"] == "succeeded"
        newest = self.client.telemetry(agent.device, 1)
        return runs and row["presence"] == "online" and bool(newest) and newest[-1]["sha256"] == row["sha256"]

    def until(self, look: Callable[[], T | None], limit_s: float, what: str, pause_s: float = 0.1) -> T:
        """Wait until `look` finds something; what it found."""
        end = time.monotonic() + limit_s
        while not (found := look()):
            assert time.monotonic() < end, f"not within {limit_s} s: {what}\n{self.tails()}"
            time.sleep(pause_s)
        return found

    def until_gone(self, processes: Sequence[psutil.Process], limit_s: float, whose: str) -> None:
        self.until(lambda: all(map(gone, processes)), limit_s, f"the processes of {whose} are gone: {processes}")

    def tails(self) -> str:
        return "\n".join(f"--- {each.name}\n{each.tail()}" for each in self._all)

    def end(self) -> None:
        for process in reversed(self._all):
            process.end()
        self.client.close()


def gone(process: psutil.Process) -> bool:
    """It has ended, whether or not somebody has asked for its exit code."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _by_boot(rows: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    boots: dict[str, list[int]] = {}
    for boot, seq in rows:
        boots.setdefault(boot, []).append(seq)
    return boots
