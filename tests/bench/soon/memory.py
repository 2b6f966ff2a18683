"""How much memory processes hold, as the system counts it. Linux only."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil


class Peak:
    """The most that a process and all that it started were seen to hold together; pages they share count for each."""

    def __init__(self) -> None:
        self.bytes = 0

    def look(self, pid: int) -> None:
        with contextlib.suppress(psutil.Error, OSError):
            first = psutil.Process(pid)
            held = first.memory_info().rss
            for child in first.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    held += child.memory_info().rss
            self.bytes = max(self.bytes, held, _high_water(f"{pid}"))


def peak_of_this() -> int:
    return _high_water("self")


def _high_water(pid: str) -> int:
    """What the process alone held at its most, between two looks too."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
