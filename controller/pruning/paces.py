"""How long this host takes for a unit of each step's work, as jobs before this one found it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from controller.durable import put_file

_FIRST: Mapping[str, float] = {
    "loading": 5.0,
    "measuring the dense model": 12.0,
    "measuring the smallest structure": 15.0,
    "estimating what each unit is worth": 2.0,
    "pricing widths": 4.0,
    "choosing a structure": 6.0,
    "recovering": 0.6,
    "measuring what ships": 12.0,
    "judging accuracy": 3.0,
}
"""Rough seconds a unit, where no job here has told any yet."""

_IDLE = 0.05
_NEWEST = 0.5  # the weight of the newest job, so that a host that changed is known after a few


@dataclass
class Paces:
    """In `file`, of this host's jobs of all models; None keeps nothing.

    It is read once, as a job tells its time left all along, and again when it notes something: others may have too.
    """

    file: Path | None

    def __post_init__(self) -> None:
        self._known = self._read()

    def seconds(self, step: str, work: float) -> float:
        """What so much work of a step is expected to take."""
        return work * self._known.get(step, _FIRST.get(step, 1.0))

    def note(self, step: str, work: float, seconds: float) -> None:
        """What it took; far less than expected, it had nothing to do. A full disk costs an estimate, and no job."""
        if self.file is None or work <= 0 or seconds < _IDLE * self.seconds(step, work):
            return
        known, newest = self._read(), seconds / work
        before = known.get(step, newest)
        known[step] = math.exp((1 - _NEWEST) * math.log(before) + _NEWEST * math.log(newest))
        self._known = known
        try:
            put_file(msgspec.json.encode(known), self.file)
        except OSError:
            return

    def _read(self) -> dict[str, float]:
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=dict[str, float]) if self.file is not None else {}
        except (OSError, msgspec.MsgspecError):
            return {}


def host_folder() -> Path:
    """Where what holds for this host is kept, whatever model or controller asks."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "hedgerow"
