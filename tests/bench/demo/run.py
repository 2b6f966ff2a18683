"""The demo ten times. A finished run is kept, so that a campaign that was stopped goes on with the next."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.demo.once import once
from tests.bench.demo.table import line, page, targets
from tests.bench.parts import host

_TIMES = 10
PARTS = tuple(str(number) for number in range(1, _TIMES + 1))
Row = dict[str, Any]


def main(work: Path, docs: Path, fresh: bool, parts: Sequence[str]) -> None:
    """The runs called `parts`; the first begins with nothing cached, every second has only one core for itself."""
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    for part in parts:
        kept = work / f"run-{part}.json"
        if not kept.is_file():
            print(f"run {part} of {_TIMES} ...", flush=True)
            _write(kept, _run(work, part))
        print(line(json.loads(kept.read_text())), flush=True)
        _publish(work, docs)
    for each in json.loads((docs / "demo.json").read_text())["targets"]:
        print(f"{'reached' if each['reached'] else 'MISSED '} {each['name']}: {each['measured']} ({each['target']})")


def _run(work: Path, part: str) -> Row:
    cache = work / "cache"
    cached = part != PARTS[0]
    if not cached:
        shutil.rmtree(cache, ignore_errors=True)
    row = once(cache, work / f"run-{part}.txt", busy=int(part) % 2 == 0)
    return {"run": int(part), "date": time.strftime("%Y-%m-%d"), "cached": cached, **row}


def _publish(work: Path, docs: Path) -> None:
    found = [work / f"run-{part}.json" for part in PARTS]
    runs = [json.loads(each.read_text()) for each in found if each.is_file()]
    results = {
        "repeat": "make soak-demo",
        "host": host(),
        "runs": runs,
        "targets": targets(runs, _TIMES),
    }
    docs.mkdir(parents=True, exist_ok=True)
    _write(docs / "demo.json", results)
    (docs / "demo.md").write_text(page(results))


def _write(path: Path, content: Row) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(path)
