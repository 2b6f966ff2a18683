"""What a structure's artifact was measured to cost, a line each, for the predictions of later jobs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from controller.core.costs import Costs
from controller.pruning.graph.structure import Structure


class Point(msgspec.Struct, frozen=True):
    """What a structure's artifact was measured to cost on this host, whichever units of these widths it keeps.

    Where it was exported and not run, `only_bytes` are measured, and the rest is what was predicted.
    """

    widths: dict[str, int]
    dropped: tuple[str, ...]
    precision: str
    costs: Costs
    only_bytes: bool = False

    def is_of(self, structure: Structure) -> bool:
        return (self.widths, self.dropped) == (structure.widths, structure.dropped)


def read_points(file: Path) -> list[Point]:
    """Those in `file`, without half lines: the disk was full, or the power went."""
    lines = file.read_bytes().splitlines() if file.is_file() else []
    return [point for point in map(_point, lines) if point is not None]


def append_point(file: Path, point: Point) -> None:
    """One unbuffered append, as jobs may run side by side; and the line before may be torn."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab", buffering=0) as lines:
        lines.write(b"\n" + msgspec.json.encode(point) + b"\n")


def _point(line: bytes) -> Point | None:
    try:
        return msgspec.json.decode(line, type=Point)
    except msgspec.MsgspecError:
        return None
