"""Parts of a benchmark in its work folder, and the host that they were measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
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


def host() -> Row:
    return {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
