"""Which runtimes work here: those that are installed and have run their smallest model, in a child process.

A runtime that is there may still die as it is imported. What has worked once is remembered in the state directory, for
this installation on this processor, so that only the first start after a change waits for it; what has not is tried
again at each start, as a library of the system may be what it lacked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from agent.slots import replace_atomically
from agent.wire.profile import Runtime
from agent.wire.work import DoingLine, read_line
from agent.workers import how_it_ended

WAKE_S = 60
_CPUINFO = Path("/proc/cpuinfo")
_MEMORY = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Runtimes:
    """The names of those that work, and of the others that are installed what is wrong with them."""

    working: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)


def find(path: Path, tell: Callable[[Runtimes], None]) -> None:
    """Tell which work: at once where all that are installed are remembered in the file `path`, else by a thread."""
    memory = _remembered(path)
    if all(memory.get(each) == _mark(each) for each in installed()):
        tell(Runtimes(installed()))
    else:
        threading.Thread(target=lambda: tell(_tried(path, memory)), name="runtimes", daemon=True).start()


def installed() -> tuple[str, ...]:
    return tuple(each.value for each in Runtime if importlib.util.find_spec(each) is not None)


def trouble(runtime: str, within_s: int = WAKE_S) -> str:
    """Start an installed runtime: what went wrong, empty where nothing did."""
    command = [sys.executable, "-m", "agent.worker.wake", runtime, str(within_s)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        return f"it cannot be started: {error}"
    if done.returncode == 0:
        return ""
    ended = f"no end in {within_s} s" if done.returncode == -signal.SIGALRM else how_it_ended(done.returncode)
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
    return f"{ended}{_doing(done.stdout)}{': ' if said else ''}{said}"


def _tried(path: Path, memory: Mapping[str, str]) -> Runtimes:
    found = {each: "" if memory.get(each) == _mark(each) else trouble(each) for each in installed()}
    working = tuple(each for each, wrong in found.items() if not wrong)
    with suppress(OSError):  # a medium that may only be read: they are tried at each start
        replace_atomically(path, msgspec.json.encode({each: _mark(each) for each in working}))
    return Runtimes(working, {each: wrong for each, wrong in found.items() if wrong})


def _remembered(path: Path) -> dict[str, str]:
    try:
        return _MEMORY.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}


def _mark(runtime: str) -> str:
    """Another one after each installation of the runtime or its numpy, under another Python, on another processor."""
    with suppress(OSError):
        lines = _CPUINFO.read_text(errors="replace").splitlines()
        features = next((each for each in lines if each.startswith(("flags", "Features"))), "")
        parts = [sys.version, platform.machine(), features, *_files(runtime), *_files("numpy")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return "unknown"


def _files(package: str) -> list[str]:
    """Where a package is, since when, and in which version, read without importing anything."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return [package]
    origin = Path(spec.origin)
    versions = sorted(each.name for each in origin.parent.parent.glob(f"{package}*-info"))
    return [str(origin), str(origin.stat().st_mtime_ns), *versions]


def _doing(said: bytes) -> str:
    """The last step that was begun."""
    try:
        line = read_line(said.splitlines()[-1])
    except (IndexError, msgspec.MsgspecError):
        return ""
    return f" while {line.what}" if isinstance(line, DoingLine) else ""
