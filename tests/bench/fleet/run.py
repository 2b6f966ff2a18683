"""The benchmark of a large fleet, part by part: `make bench BENCH="fleet ingest-each"`.

`before-` and a part's name has the code before the fleet was kept in memory do the same at the smallest size.
`postgres-` has it done on the server that `HEDGEROW_BENCH_DATABASE` names, as in
`postgresql+psycopg://USER@127.0.0.1/postgres`, in a database of its own there. `cases.py` has what may be set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.before import HERE, checked_out
from tests.bench.fleet.broker import version
from tests.bench.fleet.cases import BEFORE, PARTS, POSTGRES, budget_s, cases
from tests.bench.fleet.disk import disk
from tests.bench.fleet.limits import Until
from tests.bench.fleet.page import page
from tests.bench.fleet.play import measured_in, played
from tests.bench.fleet.targets import targets
from tests.bench.parts import host, in_turn, known, write_page

Row = dict[str, Any]
_REVISION = "7a52588"
__all__ = ["PARTS", "main"]


def main(work: Path, docs: Path, fresh: bool, parts: Sequence[str]) -> None:
    in_turn(work, filter(_may_be_had, parts), fresh, partial(_made, work), partial(publish, work, docs))


def _may_be_had(part: str) -> bool:
    if part.startswith(POSTGRES) and "HEDGEROW_BENCH_DATABASE" not in os.environ:
        print(f"{part}: left out, as HEDGEROW_BENCH_DATABASE names no server", flush=True)
        return False
    return True


def publish(work: Path, docs: Path) -> None:
    parts = known(work, PARTS)
    results: Row = {
        "repeat": "make bench BENCH=fleet",
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "parts": parts,
        "targets": targets(parts),
    }
    write_page(docs, "fleet", results, page(results))


def _made(work: Path, part: str) -> Row:
    folder, until = work / part, Until(budget_s(part))
    ground = {"disk": disk(folder), "broker": version()}
    code = checked_out(work, "fleet", _REVISION) if part.startswith(BEFORE) else HERE
    return ground | played(cases(part), folder / "cases.json", measured_in(code, folder), until)
