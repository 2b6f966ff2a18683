"""What is known of the parts while the store is open: which there are, and the newest window of each device."""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import Thread

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from controller.store.tables import marks
from controller.store.telemetry.files import FileParts
from controller.store.telemetry.part import Part
from controller.store.telemetry.parts import Parts
from controller.store.telemetry.server import TableParts
from controller.store.telemetry.unflushed import Unflushed

log = logging.getLogger("hedgerow.telemetry")


class Telemetry:
    """The loop's thread changes it, after each commit; others read it. `parts` are in the order of their ids.

    `owed` are parts with rows from `next_id` on that a transaction left whose facts were not committed: they are
    written anew, under the same ids. `is_full` asks for a new part, of the same day. `going` are parts by name that a
    transaction drops which may be committed by now.
    """

    def __init__(self, engine: Engine) -> None:
        self.kept: Parts = FileParts(engine) if engine.dialect.name == "sqlite" else TableParts(engine)
        self.parts: tuple[Part, ...] = tuple(self.kept.found())
        self.next_id = 1
        self.newest = dict[str, int]()
        self.unflushed = Unflushed()
        self.owed = list[Part]()
        self.is_full = False
        self.going = set[str]()
        self._engine = engine
        self._thread: Thread | None = None
        self._indexed = list[str]()  # by the thread, and not yet seen by the loop

    def is_gone(self, part: Part) -> bool:
        """Or may be, by now; for any thread."""
        return part.name in self.going or all(each.name != part.name for each in self.parts)

    def last_id(self) -> int:
        """The highest that was ever given; parts may be gone, and marks go on."""
        with self._engine.connect() as main:
            highest = [main.execute(select(func.max(marks.c.newest_id))).scalar() or 0]
        for part in self.parts[-1:]:
            with self.kept.reader(part) as connection:
                highest.append(connection.execute(select(func.max(part.table.c.id))).scalar() or 0)
        return max(highest)

    # --- indexes -----------------------------------------------------------------------------------------------------

    def index_in_background(self) -> None:
        """Of the oldest part that is full and has none; one at a time. For the loop's thread."""
        while self._indexed:
            name = self._indexed.pop()
            self.parts = tuple(replace(each, indexed=True) if each.name == name else each for each in self.parts)
        waiting = [each for each in self.parts[:-1] if not each.indexed]
        if waiting and (self._thread is None or not self._thread.is_alive()):
            self._thread = Thread(target=self._index, args=(waiting[0],), name="index", daemon=True)
            self._thread.start()

    def _index(self, part: Part) -> None:
        """Where it is ended, or there is no room, it is tried again; until then windows are found link by link."""
        try:
            self.kept.index(part)
        except SQLAlchemyError as error:
            log.warning("event=not_indexed part=%s reason=%r", part.name, str(error))
        else:
            log.info("event=indexed part=%s", part.name)
            self._indexed.append(part.name)

    def close(self) -> None:
        if self._thread is not None:
            while self._thread.is_alive():
                self.kept.interrupt()
                self._thread.join(0.05)
        self.kept.close()
