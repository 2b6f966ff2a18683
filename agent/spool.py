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

from agent.spoolfile import open_file, open_in_memory
from agent.wire.messages import Window

_KEEP = "INSERT OR IGNORE INTO window (boot, seq, body) VALUES (?, ?, ?)"
_ADD = "ON CONFLICT (boot) DO UPDATE SET count = count + excluded.count"
IN_MEMORY = 500
"""Four hours of windows, in less than half a megabyte."""

_log = logging.getLogger("agent")
_WINDOW = msgspec.json.Decoder(Window)


class Spool:
    """At most `limit` windows, oldest first. One thread's only.

    While the file cannot be had or written (a medium that is full, or may only be read) new windows are kept in memory,
    the newest `IN_MEMORY` of them, and with each one the file is tried again.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit, self._count = path, limit, 0
        try:
            self._use(open_file(path), in_memory=False)
        except (sqlite3.Error, OSError) as error:
            self._go_on_in_memory(error)

    def close(self) -> None:
        self._database.close()

    def __len__(self) -> int:
        """Kept in memory: to count reads the whole index, which after a long outage costs more than the append."""
        return self._count

    def append(self, boot: str, window: Window) -> None:
        """Keep a window of `boot`; one that is there already stays as it is."""
        if self._in_memory:
            self._go_on_in_file()
        try:
            self._keep(boot, window)
        except sqlite3.Error as error:
            self._database.close()
            self._go_on_in_memory(error)
            self._keep(boot, window)

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

    def forget(self) -> None:
        """Forget every window and count, in the file too: they are not this device's. Raises `sqlite3.Error`."""
        if self._in_memory:
            self._go_on_in_file()
        if self._in_memory:
            raise sqlite3.OperationalError(f"{self._path} cannot be written")
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM window")
            self._database.execute("DELETE FROM dropped")
        self._count = 0

    def dropped(self, boot: str) -> int:
        """How many windows of `boot` were given up since it began."""
        row = self._database.execute("SELECT count FROM dropped WHERE boot = ?", (boot,)).fetchone()
        return 0 if row is None else int(row[0])

    def _keep(self, boot: str, window: Window) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            row = (boot, window.seq, msgspec.json.encode(window))
            count = self._count + self._database.execute(_KEEP, row).rowcount
            excess = max(0, count - (min(IN_MEMORY, self._limit) if self._in_memory else self._limit))
            oldest = self._database.execute("SELECT id FROM window ORDER BY id LIMIT ?", (excess,)).fetchall()
            self._give_up(number for (number,) in oldest)
        self._count = count - excess

    def _use(self, database: sqlite3.Connection, *, in_memory: bool) -> None:
        self._database, self._in_memory = database, in_memory
        self._count = int(database.execute("SELECT count(*) FROM window").fetchone()[0])

    def _go_on_in_memory(self, error: Exception) -> None:
        _log.error("event=spool_in_memory path=%s reason=%r", self._path, str(error))
        self._use(open_in_memory(), in_memory=True)

    def _go_on_in_file(self) -> None:
        """If it can be had by now: with all that is kept in memory."""
        try:
            file = open_file(self._path)
        except (sqlite3.Error, OSError):
            return
        try:
            _move(self._database, file)
        except sqlite3.Error:
            file.close()
            return
        self._database.close()
        self._use(file, in_memory=False)
        _log.info("event=spool_in_file path=%s", self._path)

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
            self._database.execute("INSERT INTO dropped SELECT boot, 1 FROM window WHERE id = ? " + _ADD, (number,))
            self._database.execute("DELETE FROM window WHERE id = ?", (number,))


def _read(boot: bytes, seq: int, body: bytes) -> tuple[str, Window] | None:
    """Boot and window of a row; None where it rotted, which SQLite, without checksums, does not notice."""
    try:
        name, window = str(boot, "utf-8"), _WINDOW.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
        return None
    return (name, window) if window.seq == seq else None


def _move(memory: sqlite3.Connection, file: sqlite3.Connection) -> None:
    """Windows and counts, all of them or none. Raises `sqlite3.Error`."""
    windows = memory.execute("SELECT boot, seq, body FROM window ORDER BY id").fetchall()
    dropped = memory.execute("SELECT boot, count FROM dropped").fetchall()
    with file:
        file.execute("BEGIN IMMEDIATE")
        file.executemany(_KEEP, [(boot.decode(), seq, body) for boot, seq, body in windows])
        file.executemany(
            "INSERT INTO dropped VALUES (?, ?) " + _ADD, [(boot.decode(), count) for boot, count in dropped]
        )
