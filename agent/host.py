"""How busy the host is, and how much its programs wait for a processor: differences of the kernel's counters.

Absent is None, never 0: an older kernel has no pressure, and on a host that stands for another device its own say
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import sysfs

PROC = Path("/proc")
_IDLE = slice(3, 5)  # idle, and waiting for a disk
_KINDS = 8  # of time; what guests took is in the user's already


@dataclass(frozen=True, slots=True)
class Look:
    """Counters at `at_s` of a monotonic clock: ticks of all processors, of which `busy` ones, and seconds in which some
    program waited for one."""

    at_s: float
    busy: float | None = None
    ticks: float | None = None
    waited_s: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Shares of an interval."""

    busy_share: float | None = None
    pressure_share: float | None = None


class Host:
    """Of `root`, `/proc` on a device; None where this host is not the device."""

    def __init__(self, root: Path | None, now_s: Callable[[], float]) -> None:
        self._root, self._now_s = root, now_s

    def look(self) -> Look:
        if self._root is None:
            return Look(self._now_s())
        return Look(self._now_s(), *_ticks(self._root / "stat"), _waited_s(self._root / "pressure/cpu"))


def between(before: Look, after: Look) -> Load:
    return Load(
        _share(before.busy, after.busy, _difference(before.ticks, after.ticks)),
        _share(before.waited_s, after.waited_s, after.at_s - before.at_s),
    )


def _share(before: float | None, after: float | None, whole: float | None) -> float | None:
    part = _difference(before, after)
    if part is None or whole is None or whole <= 0 or part < 0:
        return None
    return min(part / whole, 1.0)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _ticks(path: Path) -> tuple[float | None, float | None]:
    """Busy ones and all."""
    fields = (sysfs.text(path) or "").partition("\n")[0].split()
    if len(fields) < 5 or fields[0] != "cpu":
        return None, None
    try:
        ticks = [float(each) for each in fields[1 : 1 + _KINDS]]
    except ValueError:
        return None, None
    return sum(ticks) - sum(ticks[_IDLE]), sum(ticks)


def _waited_s(path: Path) -> float | None:
    """From `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`, in microseconds."""
    for line in (sysfs.text(path) or "").splitlines():
        kind, *figures = line.split() or [""]
        total = next((each.removeprefix("total=") for each in figures if each.startswith("total=")), "")
        if kind == "some" and total.isdecimal():
            return int(total) * 1e-6
    return None
