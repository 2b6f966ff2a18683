"""Today's prune at the latency of release 0.1's, which trains briefly for each cut: both with the same seeds.

What 0.1's variant takes, as a share of the dense model, is the cap of today's. Each release makes the dense model once:
no seed changes it. Begun again it goes on with the job in which time was over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agent.wire.profile import Runtime
from controller.core.artifacts import file_name
from tests.bench.before import HERE
from tests.bench.parts import Row
from tests.bench.soon import left
from tests.bench.soon.ask import Asker
from tests.bench.soon.beside import rights, shares
from tests.bench.soon.bring import function
from tests.bench.soon.jobs import FIRST, JOBS, SEEDED

_RECORD = "seeds"
_TOLD = ("state", "detail", "seconds", "ended", "cap_s")


class _TimeIsOverError(Exception):
    """It is for the next run to go on."""


class _Made(NamedTuple):
    """A job's row, and its artifact where there is one."""

    row: Row
    artifact: Path | None


@dataclass(frozen=True, slots=True)
class Equal:
    """In `folder`, with 0.1's code in `code`."""

    asker: Asker
    folder: Path
    code: Path

    def part(self) -> Row:
        """As much of it as there is time for."""
        rows = left.rows(self.folder, _RECORD)
        try:
            for name in SEEDED:
                if name not in rows:
                    rows[name] = self._seed(name)
                    left.put_rows(self.folder, rows, _RECORD)
        except _TimeIsOverError:
            return part_of(rows, ended=False)
        for side in ("before", "now"):
            left.forget_shelves(self.folder / side)
        return part_of(rows, ended=True)

    def _seed(self, name: str) -> Row:
        """Both variants; where one is missing, what there is."""
        before, dense = self._made("before", name, FIRST), self._made("now", "dense", FIRST)
        row: Row = {"seed": JOBS[name].seed, "before": _told(before)}
        if before.artifact is None or dense.artifact is None:
            return row
        (share,) = shares(dense.artifact, [before.artifact])
        now = self._made("now", name, share)
        row["now"] = _told(now)
        return row if now.artifact is None else self._beside(row, dense.artifact, before.artifact, now.artifact)

    def _made(self, side: str, job: str, share: float) -> _Made:
        """Raises `_TimeIsOverError`."""
        folder, code = self.folder / side, self.code if side == "before" else HERE
        row = self.asker.rows(folder, code, ("dense", job), share).get(job)
        if row is None:
            raise _TimeIsOverError
        variant = row["variant"] if row["state"] == "done" else None
        name = None if variant is None else file_name(variant["sha256"], Runtime.ONNXRUNTIME)
        return _Made(row, None if name is None else left.shelf(folder, job) / name)

    def _beside(self, row: Row, dense: Path, before: Path, now: Path) -> Row:
        """With how long they take, and how right they are: `above` is 1 for a sample that only 0.1's is right on, and
        -1 for one that only today's is."""
        judged = function(self.asker.spec.parent, f"{self.asker.net.drawing}:judged")
        right, took = rights([before, now], judged), shares(dense, [before, now])
        for at, side in enumerate(("before", "now")):
            row[side] |= {"share": took[at], "right": float(right[at].mean())}
        return row | {"above": (right[0] - right[1]).tolist()}


def part_of(rows: dict[str, Row], ended: bool) -> Row:
    """Of each seed the mean of `above`, and how many samples have which sum of it over the seeds."""
    compared = [row["above"] for row in rows.values() if "above" in row]
    sums = Counter(sum(sample) for sample in zip(*compared, strict=True))
    means = [row | {"above": sum(row["above"]) / len(row["above"])} if "above" in row else row for row in rows.values()]
    return {"seeds": means, "sums": {str(each): sums[each] for each in sorted(sums)}, "ended": ended}


def _told(made: _Made) -> Row:
    return {key: made.row[key] for key in _TOLD if key in made.row}
