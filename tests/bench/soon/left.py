"""What jobs left in a folder: a row each, and shelves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def rows(folder: Path, name: str = "jobs") -> dict[str, Row]:
    """Those so far."""
    file = folder / f"{name}.json"
    found: dict[str, Row] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def put_rows(folder: Path, kept: Mapping[str, Row], name: str = "jobs") -> None:
    (folder / f"{name}.json").write_text(json.dumps(kept))


def shelf(folder: Path, job: str) -> Path:
    return folder / "shelves" / job


def forget_shelves(folder: Path) -> None:
    shutil.rmtree(folder / "shelves", ignore_errors=True)
