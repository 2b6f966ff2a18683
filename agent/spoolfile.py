"""The spool's database: made, examined, and put aside where it is damaged."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS window (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (boot, seq));
CREATE TABLE IF NOT EXISTS dropped (boot TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_log = logging.getLogger("agent")


def open_file(path: Path) -> sqlite3.Connection:
    """A damaged file is put aside: telemetry is not worth stopping inference for.

    Raises `sqlite3.Error` or `OSError` where the medium gives no file.
    """
    if damage := _damage(path):
        _log.error("event=spool_damaged path=%s reason=%r", path, damage)
        for each in path.parent.glob(f"{path.name}*"):
            each.replace(each.with_name(f"damaged-{each.name}"))
    return _open(path)


def _damage(path: Path) -> str:
    """What is wrong inside the file, empty where nothing is. Raises `sqlite3.Error` where it cannot be read at all."""
    try:
        with closing(_open(path)) as database:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()[0].decode()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in _DAMAGE:
            raise
        return str(error)
    return "" if found == "ok" else found


def open_in_memory() -> sqlite3.Connection:
    return _open(":memory:")


def _open(where: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(where, isolation_level=None)
    try:
        database.text_factory = bytes  # what has rotted may be no text any more
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA cache_size = -256")  # KiB; the supervisor is to stay small
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
