"""Telemetry windows that the controller has not confirmed yet, in one SQLite file.

A window is durable once `append` returns (WAL with full sync) and stays until `free`. The spool is bounded: what a long
outage pushes out at the old end is counted by boot, so that the gap is known and not only there.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import msgspec

from agent.wire.messages import Window

_SCHEMA = """
CREATE TABLE IF NOT EXISTS window (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (boot, seq));
CREATE TABLE IF NOT EXISTS dropped (boot TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
_log = logging.getLogger("agent")
_WINDOW = msgspec.json.Decoder(Window)


class Spool:
    """At most `limit` windows, oldest first. One thread's only."""

    def __init__(self, path: Path, limit: int) -> None:
        self._limit = limit
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA cache_size = -256")  # KiB; the supervisor is to stay small
        self._database.executescript(_SCHEMA)
        self._count: int = self._database.execute("SELECT count(*) FROM window").fetchone()[0]

    def close(self) -> None:
        self._database.close()

    def __len__(self) -> int:
        """Kept in memory: to count reads the whole index, which after a long outage costs more than the append."""
        return self._count

    def append(self, boot: str, window: Window) -> None:
        """Keep a window of `boot`; one that is there already stays as it is. Raises `sqlite3.Error`."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            row = (boot, window.seq, msgspec.json.encode(window))
            sql = "INSERT OR IGNORE INTO window (boot, seq, body) VALUES (?, ?, ?)"
            count = self._count + self._database.execute(sql, row).rowcount
            excess = max(0, count - self._limit)
            self._trim(excess)
        self._count = count - excess

    def batch(self, limit: int) -> tuple[str, list[Window]] | None:
        """The oldest windows, at most `limit` and all of one boot; None where there are none."""
        first = self._database.execute("SELECT boot FROM window ORDER BY id LIMIT 1").fetchone()
        if first is None:
            return None
        rows = self._database.execute("SELECT body FROM window WHERE boot = ? ORDER BY seq LIMIT ?", (first[0], limit))
        return first[0], [_WINDOW.decode(body) for (body,) in rows]

    def free(self, boot: str, seq: int) -> None:
        """Forget the windows of `boot` up to `seq`: they are safe elsewhere."""
        sql = "DELETE FROM window WHERE boot = ? AND seq <= ?"
        self._count -= self._database.execute(sql, (boot, seq)).rowcount

    def dropped(self, boot: str) -> int:
        """How many windows of `boot` were given up since it began."""
        row = self._database.execute("SELECT count FROM dropped WHERE boot = ?", (boot,)).fetchone()
        return 0 if row is None else int(row[0])

    def _trim(self, excess: int) -> None:
        old = self._database.execute("SELECT id, boot FROM window ORDER BY id LIMIT ?", (excess,)).fetchall()
        for number, boot in old:
            self._database.execute("DELETE FROM window WHERE id = ?", (number,))
            self._database.execute(
                "INSERT INTO dropped VALUES (?, 1) ON CONFLICT (boot) DO UPDATE SET count = count + 1", (boot,)
            )


def open_spool(path: Path, limit: int) -> Spool:
    """The spool at `path`. A damaged one is put aside: telemetry is not worth stopping inference for."""
    try:
        return Spool(path, limit)
    except sqlite3.DatabaseError as error:
        _log.error("event=spool_damaged path=%s reason=%s", path, error)
        for each in path.parent.glob(f"{path.name}*"):
            each.replace(each.with_name(f"damaged-{each.name}"))
        return Spool(path, limit)
