"""Parts on SQLite: a file each, in a folder beside the database, named after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.schema import CreateTable

from controller.durable import sync_folder
from controller.store.engine import WRITES, make_engine
from controller.store.errors import StoreError
from controller.store.tables import windows
from controller.store.telemetry.part import COLUMNS, Part, table_of
from controller.store.telemetry.parts import Parts, Row

_TABLE = windows.name
_INDEX = "by_device"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(\.\d+)?")
_LEGACY_BYTES = 500  # about, a row with its places in two indexes


class FileParts(Parts):
    is_apart = True

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        database = Path(engine.url.database or "")
        self._folder = database.absolute().with_name(f"{database.stem}.telemetry")
        self._engines, self._lock = dict[str, Engine](), Lock()
        self._indexing: Any = None

    def _found(self, main: Connection) -> list[Part]:  # noqa: ARG002
        names = (file.stem for file in sorted(self._folder.glob("*.db")) if _DAY.fullmatch(file.stem))
        found = [self._readable(each) for each in names]
        return [each for each in found if each is not None]

    def _readable(self, name: str) -> Part | None:
        """Raises `StoreError`."""
        try:
            return self._part(name)
        except DatabaseError as error:
            path, hint = self._folder / f"{name}.db", "once it is moved away all goes on without it"
            raise StoreError(f"telemetry {path} cannot be read: {error.orig}; {hint}") from None

    def _part(self, name: str) -> Part | None:
        """None where a kill left it without rows, or before it had a table."""
        with self._engine_of(name).connect() as connection:
            look = inspect(connection)
            if not look.has_table(_TABLE):
                return None
            table = table_of(_TABLE, {each["name"] for each in look.get_columns(_TABLE)})
            first_id = connection.execute(select(func.min(table.c.id))).scalar()
            indexed = bool(look.get_indexes(_TABLE))
        return None if first_id is None else Part(name=name, table=table, first_id=first_id, indexed=indexed)

    def make(self, main: Connection, name: str, first_id: int) -> Part:  # noqa: ARG002
        part = Part(name=name, table=table_of(_TABLE), first_id=first_id)
        engine = make_engine(self._url(name, "rwc"))
        try:
            self._unlink(name)
            self._folder.mkdir(exist_ok=True)
            with engine.begin() as connection:
                connection.execute(CreateTable(part.table))
            sync_folder(self._folder)
        except OSError as error:  # as where there is no room for a row: it is tried again
            raise OperationalError(f"make {self._folder}", None, error) from None
        finally:
            engine.dispose()
        return part

    def writer(self, main: Connection, part: Part) -> Connection:
        if part.is_legacy:
            return main
        connection = self._engine_of(part.name).connect().execution_options(**{WRITES: True})
        try:
            connection.begin()
        except DatabaseError:
            connection.close()
            raise
        return connection

    def add(self, connection: Connection, part: Part, rows: Sequence[Row]) -> None:  # noqa: ARG002
        connection.exec_driver_sql(_insert(), list(rows))

    @contextmanager
    def reader(self, part: Part) -> Iterator[Connection]:
        engine = self._engine if part.is_legacy else self._engine_of(part.name)
        with engine.connect() as connection:
            yield connection

    def index(self, part: Part) -> None:
        with self._engine_of(part.name).connect() as connection:
            self._indexing = connection.connection.driver_connection
            try:
                with connection.begin():
                    connection.execute(text(f"CREATE INDEX IF NOT EXISTS {_INDEX} ON {_TABLE} (device, id)"))
            finally:
                self._indexing = None

    def interrupt(self) -> None:
        indexing = self._indexing
        if indexing is not None:
            indexing.interrupt()

    def drop(self, main: Connection, part: Part) -> None:  # noqa: ARG002
        """Who reads it just now still has it."""
        self._unlink(part.name)

    def size_bytes(self, main: Connection, part: Part) -> int:
        if part.is_legacy:
            ends = select(func.max(part.table.c.id) - func.min(part.table.c.id) + 1)
            return _LEGACY_BYTES * int(main.execute(ends).scalar() or 0)
        return sum(map(_bytes_of, self._files(part.name)))

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()

    def _files(self, name: str) -> list[Path]:
        return [self._folder / f"{name}.db{end}" for end in ("", "-wal", "-shm")]

    def _unlink(self, name: str) -> None:
        engine = self._engines.pop(name, None)
        if engine is not None:
            engine.dispose()
        for file in self._files(name):
            file.unlink(missing_ok=True)

    def _engine_of(self, name: str) -> Engine:
        with self._lock:
            if name not in self._engines:
                self._engines[name] = make_engine(self._url(name, "rw"))  # one that is gone is not made anew
            return self._engines[name]

    def _url(self, name: str, mode: str) -> URL:
        file = quote(str(self._folder / f"{name}.db"))
        return URL.create("sqlite", database=f"file:{file}", query={"mode": mode, "uri": "true"})


def _bytes_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # it may go at any moment
        return 0


@cache
def _insert() -> str:
    """The statement for tuples: twice the rate of parameters by name."""
    return f"INSERT INTO {_TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
