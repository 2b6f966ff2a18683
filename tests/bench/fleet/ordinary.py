"""A whole fleet in service: does the controller keep up with what its devices have to say?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.fleet.devices import Windows, ids
from tests.bench.fleet.ingest import cores_of
from tests.bench.fleet.lab import STILL, Lab
from tests.bench.fleet.paced import Paced
from tests.bench.fleet.rollout import rolled_out

Row = dict[str, Any]
_EVERY_S = 30.0
_SPARE_S = 45.0


def ordinary(lab: Lab, model: Path, count: int, seconds: float) -> Row:
    """A window in 30 s of each device, with a rollout of all of them running; what was acknowledged is looked for."""
    lab.fleet(count, model, **STILL)
    with lab.crowd(ids(count)) as crowd:
        (sha256, *_) = set(rolled_out(lab, crowd).sha256.values())
        paced = Paced(crowd, Windows(sha256), _EVERY_S)
        time_s = min(seconds, max(lab.until.left_s - _SPARE_S, _EVERY_S))
        row = cores_of(lab, {"server": lab.controller.pid}, lambda: paced.run(time_s))
    return row | {"missing": max(row["wait"].get("count", 0) - lab.windows(), 0)}
