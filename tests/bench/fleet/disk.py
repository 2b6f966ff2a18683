"""The disk that the state is on, and what both databases promise of a commit."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from controller.store.engine import make_engine

Row = dict[str, Any]
_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_WRITES, _WRITE_BYTES = 50, 4096
_PRAGMAS = ("journal_mode", "synchronous", "wal_autocheckpoint")
_SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
_SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def disk(folder: Path) -> Row:
    """Its filesystem, and how long a small write takes to be safe. Raises `SystemExit` where nothing is safe on it."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = filesystem(Path("/proc/self/mountinfo").read_text(), folder.resolve())
    if kind in _MEMORY:
        raise SystemExit(f"{folder} is on {kind}, which is memory: give a folder on a disk by --work")
    return {"filesystem": kind, "fsync_s": statistics.median(_fsync_s(folder / "fsync") for _ in range(_WRITES))}


def filesystem(mounts: str, folder: Path) -> str:
    """The type of the innermost mount that holds `folder`; of two on one point the later one counts."""
    found, inside = "unknown", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if (folder == point or point in folder.parents) and len(point.parts) >= inside:
            found, inside = after.split()[0], len(point.parts)
    return found


def durability(url: str) -> str:
    """As the controller's own connections to this database have it."""
    engine = make_engine(url)
    with engine.connect() as connection:
        of = _sqlite(connection) if engine.dialect.name == "sqlite" else _postgres(connection)
    engine.dispose()
    return f"{engine.dialect.name}: " + ", ".join(f"{name} {value}" for name, value in of.items())


def _sqlite(connection: Connection) -> Row:
    found = {each: connection.exec_driver_sql(f"PRAGMA {each}").scalar() for each in _PRAGMAS}
    return found | {"synchronous": _SYNCHRONOUS[int(found["synchronous"] or 0)]}


def _postgres(connection: Connection) -> Row:
    return {each: connection.exec_driver_sql(f"SHOW {each}").scalar() for each in _SETTINGS}


def _fsync_s(path: Path) -> float:
    began_s = time.perf_counter()
    with path.open("ab") as file:
        file.write(os.urandom(_WRITE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - began_s
