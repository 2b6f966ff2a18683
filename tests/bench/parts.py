"""Parts of a benchmark in its work folder, and the host that they were measured on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def kept(work: Path, part: str) -> Row:
    row: Row = json.loads((work / f"part-{part}.json").read_text())
    return row


def known(work: Path, parts: Iterable[str]) -> dict[str, Row]:
    """Those of the parts that were measured, to their end or not."""
    return {part: kept(work, part) for part in parts if (work / f"part-{part}.json").is_file()}


def whole(work: Path, part: str) -> bool:
    """It was measured to its end; what was stopped goes on where it was."""
    return bool(known(work, (part,)).get(part, {"ended": False}).get("ended", True))


def in_turn(
    work: Path, parts: Iterable[str], fresh: bool, make: Callable[[str], Row], publish: Callable[[], None]
) -> None:
    """Measure the parts that are not there yet, each published when it ends."""
    work.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if fresh:
            (work / f"part-{part}.json").unlink(missing_ok=True)
            shutil.rmtree(work / part, ignore_errors=True)
        if not whole(work, part):
            print(f"[{time.strftime('%H:%M:%S')}] {part}", flush=True)
            (work / f"part-{part}.json").write_text(json.dumps(make(part)))
        publish()


def write_page(docs: Path, name: str, results: Row, page: str) -> None:
    """The figures as `NAME.json`, and what people read as `NAME.md`."""
    docs.mkdir(parents=True, exist_ok=True)
    (docs / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (docs / f"{name}.md").write_text(page)


def host() -> Row:
    return {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
