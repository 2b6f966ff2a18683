"""What the controller holds and how soon it is there again, with a fleet that has been through a rollout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.fleet.devices import Windows, ids
from tests.bench.fleet.lab import STILL, Lab
from tests.bench.fleet.load import Load
from tests.bench.fleet.rollout import rolled_out

Row = dict[str, Any]
_SECONDS = 30.0
_FINISHED = "SELECT count(*) FROM rollouts WHERE state = 'finished'"


def memory(lab: Lab, model: Path, count: int, seconds: float = _SECONDS) -> Row:
    """The high-water mark after the rollout has ended, under telemetry of all; then of a new process on the same."""
    lab.fleet(count, model, **STILL | {"soak_s": 1})
    with lab.crowd(ids(count)) as crowd:
        answering = rolled_out(lab, crowd)
        (sha256, *_) = set(answering.sha256.values())
        answering.until(lab, lambda: lab.count(_FINISHED) == 1)
        row: Row = {"rolled_out_bytes": high_water_bytes(lab.controller.pid)}
        load = Load(crowd, Windows(sha256), 1)
        row["windows"] = load.run(min(seconds, max(lab.until.left_s, 1.0)))["windows"]
    row["peak_bytes"] = high_water_bytes(lab.controller.pid)
    lab.stop()
    row["start_s"] = lab.serve()
    return row | {"started_bytes": high_water_bytes(lab.controller.pid)}


def high_water_bytes(pid: int) -> int:
    """`VmHWM`: the most that was resident at any time."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
