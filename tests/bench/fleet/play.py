"""The cases of a part, one after the other, each in a process of its own; what a stopped run has measured is kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.fleet.limits import Until

Row = dict[str, Any]
Measure = Callable[[str, Row, float], Row]
_LEAST_S = 120.0  # nothing is begun with less


def played(cases: Mapping[str, Row], record: Path, measure: Measure, until: Until) -> Row:
    """What was cut is an answer where it had all the time there is: more of the same is then not tried.

    Where others had taken some of it, the next run begins it anew.
    """
    rows: dict[str, Row] = json.loads(record.read_text()) if record.is_file() else {}
    first = True
    for name, case in cases.items():
        if name not in rows:
            if not first and until.left_s < _LEAST_S:
                return {"cases": rows, "ended": False}
            row = measure(name, _beside(case, rows), until.left_s)
            if "cut" in row and not first:
                return {"cases": rows, "ended": False}
            first, rows[name] = False, row
            record.write_text(json.dumps(rows))
        if "cut" in rows[name]:
            break
    return {"cases": rows, "ended": True}


def measured_in(code: Path, folder: Path) -> Measure:
    """By the code in `code`. What the case leaves on the disk is gone afterwards."""

    def measure(name: str, case: Row, limit_s: float) -> Row:
        print(f"{folder.name}: {name}", flush=True)
        place, record = folder / "lab", folder / "row.json"
        arguments = (str(place), str(record), f"{limit_s:g}", json.dumps(case))
        command = [sys.executable, "-m", "tests.bench.fleet.measure", *arguments]
        subprocess.run(command, check=True, cwd=code, env=os.environ | {"PYTHONPATH": str(code)})
        shutil.rmtree(place)
        row: Row = json.loads(record.read_text())
        print(row, flush=True)
        return row

    return measure


def _beside(case: Row, rows: Mapping[str, Row]) -> Row:
    """The script has as many rows before as the controller had."""
    if case["what"] == "script":
        return case | {"rows": rows["controller"]["rows_before"]}
    return case
