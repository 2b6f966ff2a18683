"""The benchmark of how soon a first variant is there, network by network.

A part named after a network brings it and asks for its jobs; `before-` and the name has release 0.1 make the dense
model and the first variant in the same way, with the kernel times that the network's other part has left. `equal-` and
the name has both prune to the same latency, to compare how right their variants are.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.bench.before import HERE, checked_out
from tests.bench.parts import Row, host, in_turn, known, write_page
from tests.bench.soon.ask import Asker
from tests.bench.soon.bring import NotToBeHadError, bring
from tests.bench.soon.equal import Equal
from tests.bench.soon.jobs import BEFORE, NOW
from tests.bench.soon.nets import COMPARED, NETS
from tests.bench.soon.page import page
from tests.bench.soon.targets import targets
from tests.bench.soon.told import EQUAL

_BEFORE = "before-"
PARTS = (*NETS, *(f"{_BEFORE}{name}" for name in NETS), *(f"{EQUAL}{name}" for name in COMPARED))
_BUDGET_S = 1140.0  # of a part's jobs: it stays under twenty minutes, and the next run goes on


def main(work: Path, docs: Path, fresh: bool, parts: Sequence[str]) -> None:
    in_turn(work, parts, fresh, partial(_made, work), partial(publish, work, docs))


def publish(work: Path, docs: Path) -> None:
    parts = known(work, PARTS)
    results: Row = {
        "repeat": "make bench BENCH=soon",
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "parts": {part: _short(row) for part, row in parts.items()},
        "targets": targets(parts),
    }
    write_page(docs, "soon", results, page(results, parts))


def _made(work: Path, part: str) -> Row:
    net = NETS[part.removeprefix(_BEFORE).removeprefix(EQUAL)]
    try:
        spec = bring(net, work / "networks" / net.name)
    except NotToBeHadError as error:
        print(error, flush=True)
        return {"left_out": str(error), "ended": False}
    asker = Asker(work, net, spec, time.monotonic() + _BUDGET_S)
    if part == net.name:
        return asker.part(part, HERE, NOW) | {"step_bytes": _step_bytes(spec)}
    asker.learn_kernels()
    code = checked_out(work, "soon")
    return Equal(asker, work / part, code).part() if part.startswith(EQUAL) else asker.part(part, code, BEFORE)


def _step_bytes(spec: Path) -> int:
    command = [sys.executable, "-m", "tests.bench.soon.step", str(spec)]
    return int(subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.PIPE).stdout)


def _short(row: Row) -> Row:
    """Without all that the progress said."""
    if "jobs" not in row:
        return row
    return row | {"jobs": {name: {key: job[key] for key in job if key != "ticks"} for name, job in row["jobs"].items()}}
