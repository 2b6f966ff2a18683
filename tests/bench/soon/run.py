"""The benchmark of how soon a first variant is there, network by network.

A part named after a network brings it and asks for its jobs; `before-` and the name has release 0.1 make the dense
model and the first variant in the same way, with the kernel times that the network's other part has left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.before import HERE, checked_out
from tests.bench.parts import Row, host, known, whole
from tests.bench.soon.bring import NotToBeHadError, bring
from tests.bench.soon.jobs import BEFORE, COLD, JOBS
from tests.bench.soon.nets import NETS, Net
from tests.bench.soon.page import page
from tests.bench.soon.targets import targets

_BEFORE = "before-"
PARTS = (*NETS, *(f"{_BEFORE}{name}" for name in NETS))
_BUDGET_S = 1140.0  # of a part's jobs: it stays under twenty minutes, and the next run goes on


def main(work: Path, docs: Path, fresh: bool, parts: Sequence[str]) -> None:
    """Measure the parts that are not there yet, each published when it ends."""
    work.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if fresh:
            (work / f"part-{part}.json").unlink(missing_ok=True)
            shutil.rmtree(work / part, ignore_errors=True)
        if not whole(work, part):
            print(f"[{time.strftime('%H:%M:%S')}] {part}", flush=True)
            (work / f"part-{part}.json").write_text(json.dumps(_made(work, part)))
        publish(work, docs)


def publish(work: Path, docs: Path) -> None:
    parts = known(work, PARTS)
    results: Row = {
        "repeat": "make bench BENCH=soon",
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "parts": {part: _short(row) for part, row in parts.items()},
        "targets": targets(parts),
    }
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "soon.json").write_text(json.dumps(results, indent=1) + "\n")
    (docs / "soon.md").write_text(page(results, parts))


def _made(work: Path, part: str) -> Row:
    net = NETS[part.removeprefix(_BEFORE)]
    try:
        spec = bring(net, work / "networks" / net.name)
    except NotToBeHadError as error:
        print(error, flush=True)
        return {"left_out": str(error), "jobs": {}, "ended": False}
    if not part.startswith(_BEFORE):
        return _played(work, net, part, spec, HERE, tuple(JOBS)) | {"step_bytes": _step_bytes(spec)}
    _played(work, net, net.name, spec, HERE, COLD)
    return _played(work, net, part, spec, checked_out(work, "soon"), BEFORE)


def _played(work: Path, net: Net, part: str, spec: Path, code: Path, jobs: Sequence[str]) -> Row:
    """By the code in `code`, in a process of its own."""
    folder, cache = work / part, work / net.name / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = (str(folder), str(spec), f"{net.impossible:g}", f"{_BUDGET_S:g}", *jobs)
    command = [sys.executable, "-m", "tests.bench.soon.play", *arguments]
    environment = os.environ | {"PYTHONPATH": str(code), "XDG_CACHE_HOME": str(cache)}
    subprocess.run(command, check=True, cwd=code, env=environment)
    rows: dict[str, Row] = json.loads((folder / "jobs.json").read_text())
    return {"jobs": rows, "ended": all(name in rows for name in jobs)}


def _step_bytes(spec: Path) -> int:
    command = [sys.executable, "-m", "tests.bench.soon.step", str(spec)]
    return int(subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.PIPE).stdout)


def _short(row: Row) -> Row:
    """Without all that the progress said."""
    return row | {"jobs": {name: {key: job[key] for key in job if key != "ticks"} for name, job in row["jobs"].items()}}
