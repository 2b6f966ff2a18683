"""A hard memory cap for each worker by cgroup v2, where the agent owns a part of the tree (systemd: `Delegate=memory`).

The kernel ends a worker at its cap and counts that, so it is known for what it is. Elsewhere RLIMIT_DATA, which the
worker sets for itself, has to do.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
_SUPERVISOR = "supervisor"


class Cgroups:
    """The groups of the workers below `base`, the agent's own group."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def cap(self, worker: int, pid: int, most_bytes: int) -> None:
        """Move the process into a group of its own that never holds more. Raises `OSError`."""
        group = self._group(worker)
        group.mkdir(exist_ok=True)
        (group / "memory.max").write_text(str(most_bytes))
        with contextlib.suppress(OSError):  # a kernel without swap accounting has none
            (group / "memory.swap.max").write_text("0")
        (group / "cgroup.procs").write_text(str(pid))

    def ended(self, worker: int) -> bool:
        """After the worker's end: remove its group; True if it was ended for its memory."""
        group = self._group(worker)
        try:
            events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
        except OSError:  # it was never capped
            return False
        with contextlib.suppress(OSError):
            group.rmdir()
        return int(events.get("oom_kill", 0)) > 0

    def _group(self, worker: int) -> Path:
        return self._base / f"worker-{worker}"


def open_cgroups(root: Path = ROOT, own: Path = OWN) -> Cgroups | None:
    """The agent's own part of the tree, with this process moved aside; None where it may not have one.

    A group with processes in it hands no controllers on (cgroups(7), "no internal processes"), hence the move.
    """
    try:
        line = next(line for line in own.read_text().splitlines() if line.startswith("0::"))
        base = root / line.removeprefix("0::/")
        if base.name == _SUPERVISOR:  # a systemd that knows DelegateSubgroup= did that already
            base = base.parent
        if "memory" not in (base / "cgroup.controllers").read_text().split():
            return None
        supervisor = base / _SUPERVISOR
        supervisor.mkdir(exist_ok=True)
        (supervisor / "cgroup.procs").write_text(str(os.getpid()))
        (base / "cgroup.subtree_control").write_text("+memory")
    except (OSError, StopIteration):
        return None
    return Cgroups(base)
