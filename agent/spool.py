"""Telemetry windows that the controller has not confirmed yet, in one SQLite file.

A window is durable once `append` returns (WAL with full sync) and stays until `free`. The spool is bounded: what a long
outage pushes out at the old end is counted by boot, so that the gap is known and not only there.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
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
        self._database.text_factory = bytes  # what has rotted may be no text any more
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
            oldest = self._database.execute("SELECT id FROM window ORDER BY id LIMIT ?", (excess,)).fetchall()
            self._give_up(number for (number,) in oldest)
        self._count = count - excess

    def batch(self, limit: int) -> tuple[str, list[Window]] | None:
        """The oldest windows, at most `limit` and all of one boot; None where there are none. Raises `sqlite3.Error`.

        Those that cannot be read any more are given up.
        """
        while rows := self._oldest(limit):
            if rotten := [number for number, row in rows.items() if row is None]:
                self._give_up_rotten(rotten)
                continue
            boot, same = next(groupby((row for row in rows.values() if row is not None), itemgetter(0)))
            return boot, [window for _, window in same]
        return None

    def free(self, boot: str, seq: int) -> None:
        """Forget the windows of `boot` up to `seq`: they are safe elsewhere. Raises `sqlite3.Error`."""
        sql = "DELETE FROM window WHERE boot = ? AND seq <= ?"
        self._count -= self._database.execute(sql, (boot, seq)).rowcount

    def dropped(self, boot: str) -> int:
        """How many windows of `boot` were given up since it began."""
        row = self._database.execute("SELECT count FROM dropped WHERE boot = ?", (boot,)).fetchone()
        return 0 if row is None else int(row[0])

    def _oldest(self, limit: int) -> dict[int, tuple[str, Window] | None]:
        rows = self._database.execute("SELECT id, boot, seq, body FROM window ORDER BY id LIMIT ?", (limit,))
        return {number: _read(boot, seq, body) for number, boot, seq, body in rows}

    def _give_up_rotten(self, numbers: Sequence[int]) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._give_up(numbers)
        self._count -= len(numbers)
        _log.error("event=windows_rotten count=%s", len(numbers))

    def _give_up(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._database.execute(
                "INSERT INTO dropped SELECT boot, 1 FROM window WHERE id = ?"
                " ON CONFLICT (boot) DO UPDATE SET count = count + 1",
                (number,),
            )
            self._database.execute("DELETE FROM window WHERE id = ?", (number,))


def _read(boot: bytes, seq: int, body: bytes) -> tuple[str, Window] | None:
    """Boot and window of a row; None where it rotted, which SQLite, without checksums, does not notice."""
    try:
        name, window = str(boot, "utf-8"), _WINDOW.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
        return None
    return (name, window) if window.seq == seq else None


def open_spool(path: Path, limit: int) -> Spool:
    """The spool at `path`. A damaged one is put aside: telemetry is not worth stopping inference for."""
    try:
        return Spool(path, limit)
    except sqlite3.DatabaseError as error:
        _log.error("event=spool_damaged path=%s reason=%s", path, error)
        for each in path.parent.glob(f"{path.name}*"):
            each.replace(each.with_name(f"damaged-{each.name}"))
        return Spool(path, limit)
