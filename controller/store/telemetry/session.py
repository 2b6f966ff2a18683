"""Telemetry within one transaction of the store: what it adds, and the connections that it reads by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Executable, Row, delete
from sqlalchemy.exc import DatabaseError

from controller.core.nouns.window import StoredWindow
from controller.store.telemetry.part import DAY_S, FIGURES, HEAD, Part, day_of
from controller.store.telemetry.telemetry import Telemetry
from controller.store.telemetry.unflushed import Moved, Unflushed

_head, _figures = attrgetter(*HEAD), attrgetter(*FIGURES)


class Session:
    """`main` is the connection of the facts. `newest` are ids of the devices' newest windows, where it added any.

    `commit` comes before that of the facts, `settle` after it; where that one failed, `owe` says so.
    """

    def __init__(self, telemetry: Telemetry, main: Connection) -> None:
        self.telemetry, self.main = telemetry, main
        self.parts, self.next_id = telemetry.parts, telemetry.next_id
        self._before = telemetry.parts[-1:]
        self.flushed: list[Moved] = []
        self._newest = dict[str, int]()
        self._moved, self._dropped = Unflushed(), list[Part]()
        self._writers = dict[str, Connection]()
        self._written = list[Part]()

    # --- what it adds ------------------------------------------------------------------------------------------------

    def put(self, windows: Sequence[StoredWindow]) -> None:
        """Each to the part of the day on which it was received."""
        for _, of_day in groupby(windows, lambda each: each.received_unix_s // DAY_S):
            self._put(list(of_day))

    def _put(self, windows: list[StoredWindow]) -> None:
        self._pay()
        part, rows = self._part_of_day(day_of(windows[0].received_unix_s)), []
        for row_id, each in enumerate(windows, self.next_id):
            rows.append((row_id, self.newest_id(each.device), *_head(each), *_figures(each.window)))
            self._newest[each.device] = row_id
            self._moved.put(each.device, each.boot, each.window.seq, row_id)
        self.telemetry.kept.add(self.writer(part), part, rows)
        self.next_id += len(rows)

    def newest_id(self, device: str) -> int | None:
        known = self._newest.get(device)
        return self.telemetry.newest.get(device) if known is None else known

    def newest_ids(self) -> dict[str, int]:
        return self.telemetry.newest | self._newest

    def _part_of_day(self, day: str) -> Part:
        """The newest one, where it is of that day; else a new one, which may be of an earlier day if the clock was
        set back."""
        newest = self.parts[-1] if self.parts else None
        fits = newest is not None and newest.day == day and newest.is_of_this_release
        if newest is not None and fits and not (self.telemetry.is_full and newest.name in self._known()):
            return newest
        taken = {each.name for each in self.parts}
        names = (day, *(f"{day}.{number}" for number in range(1, len(taken) + 1)))
        name = next(each for each in names if each not in taken)
        part = self.telemetry.kept.make(self.main, name, self.next_id)
        self.parts = (*self.parts, part)
        return part

    def _pay(self) -> None:
        """Undo what the parts have of transactions whose facts were not committed."""
        for part in self.telemetry.owed:
            self.writer(part).execute(delete(part.table).where(part.table.c.id >= self.next_id))

    def drop(self, part: Part) -> None:
        """It is gone once all is committed. That of an earlier release was emptied."""
        self._dropped.append(part)
        self.telemetry.going.add(part.name)
        if not self.telemetry.kept.is_apart and not part.is_legacy:
            self.telemetry.kept.drop(self.main, part)

    # --- connections -------------------------------------------------------------------------------------------------

    def writer(self, part: Part) -> Connection:
        if part.name not in self._writers:
            self._writers[part.name] = self.telemetry.kept.writer(self.main, part)
            self._written.append(part)
        return self._writers[part.name]

    def rows(self, part: Part, query: Executable, values: Mapping[str, object] = {}) -> Iterator[Row[Any]]:
        """Of what is committed by now, and what this transaction has added. Where the part goes meanwhile there are no
        more, as had it gone before."""
        try:
            with self._reader(part) as connection:
                yield from connection.execute(query, values)
        except DatabaseError:
            if not self.telemetry.is_gone(part):
                raise

    def _reader(self, part: Part) -> AbstractContextManager[Connection]:
        known = self._writers.get(part.name)
        if known is not None or part.is_legacy:
            return nullcontext(known or self.main)
        return self.telemetry.kept.reader(part)

    def part_of(self, row_id: int) -> Part | None:
        at = bisect_right(self.parts, row_id, key=lambda part: part.first_id)
        return self.parts[at - 1] if at else None

    def end_of(self, part: Part) -> int:
        """The first id after it."""
        at = bisect_right(self.parts, part.first_id, key=lambda each: each.first_id)
        return self.parts[at].first_id if at < len(self.parts) else self.next_id

    # --- its end -----------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """What has transactions of its own."""
        if self.telemetry.kept.is_apart:
            self.telemetry.is_full = self.telemetry.is_full and self.parts[-1:] == self._before
            self.telemetry.parts = self.parts
            for connection in self._writers.values():
                if connection is not self.main:
                    connection.commit()
                    connection.close()
            self._writers.clear()

    def settle(self) -> None:
        """All is committed: it is known from now on."""
        known, before = self.telemetry, self._before
        gone = {each.name for each in self._dropped}
        known.parts = tuple(each for each in self.parts if each.name not in gone)
        known.going -= gone
        known.next_id, known.owed = self.next_id, []
        known.is_full = known.is_full and known.parts[-1:] == before
        known.newest.update(self._newest)
        known.unflushed.drop(self.flushed)
        known.unflushed.add(self._moved)
        if known.kept.is_apart:
            for part in self._dropped:
                if not part.is_legacy:
                    known.kept.drop(self.main, part)

    def fail(self) -> None:
        """Nothing of it counts, whatever of it was committed before the facts failed."""
        for connection in self._writers.values():
            if connection is not self.main:
                connection.close()
        self.telemetry.going.difference_update(each.name for each in self._dropped)
        written = [*self.telemetry.owed, *self._written]
        self.telemetry.owed = [each for each in dict.fromkeys(written) if each.name in self._known()]

    def _known(self) -> set[str]:
        return {each.name for each in self.telemetry.parts}
