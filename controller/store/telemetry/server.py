"""Parts on PostgreSQL: a table each, written in the one transaction of the facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from controller.store.engine import make_engine
from controller.store.tables import PARTS, Words, windows
from controller.store.telemetry.part import COLUMNS, Part, table_of
from controller.store.telemetry.parts import Parts, Row

_WORDS = tuple(
    number for number, name in enumerate(COLUMNS) if name in windows.c and isinstance(windows.c[name].type, Words)
)


class TableParts(Parts):
    is_apart = False

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        # Whoever reads windows has a connection for the facts already. Were it of the same pool, all who have one could
        # wait for each other's; who has one of these waits for nobody.
        self._readers = make_engine(engine.url)
        self._indexing: Any = None

    def _found(self, main: Connection) -> list[Part]:
        look = inspect(main)
        found = [self._part(main, name) for name in look.get_table_names() if PARTS.fullmatch(name)]
        return [each for each in found if each is not None]

    def _part(self, main: Connection, name: str) -> Part | None:
        look = inspect(main)
        table = table_of(name, {each["name"] for each in look.get_columns(name)})
        first_id = main.execute(select(func.min(table.c.id))).scalar()
        day = name.removeprefix("windows_")
        named = f"{day[:10].replace('_', '-')}{day[10:].replace('_', '.')}"
        indexed = bool(look.get_indexes(name))
        return None if first_id is None else Part(name=named, table=table, first_id=first_id, indexed=indexed)

    def make(self, main: Connection, name: str, first_id: int) -> Part:
        """What is there already was made by a transaction whose end nobody heard of."""
        part = Part(name=name, table=table_of(f"windows_{name.replace('-', '_').replace('.', '_')}"), first_id=first_id)
        part.table.drop(main, checkfirst=True)
        main.execute(CreateTable(part.table))
        return part

    def writer(self, main: Connection, part: Part) -> Connection:  # noqa: ARG002
        return main

    def add(self, connection: Connection, part: Part, rows: Sequence[Row]) -> None:
        statement = f"COPY {part.table.name} ({', '.join(COLUMNS)}) FROM STDIN"
        raw = connection.connection
        try:
            with raw.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
                for row in rows:
                    copy.write_row(_without_nul(row))
        except connection.dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemy_has_it(connection, statement, error) from error

    @contextmanager
    def reader(self, part: Part) -> Iterator[Connection]:  # noqa: ARG002
        with self._readers.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def index(self, part: Part) -> None:
        with self._engine.connect() as connection:
            self._indexing = connection.connection.driver_connection
            try:
                with connection.begin():
                    connection.execute(text(f"CREATE INDEX ON {part.table.name} (device, id)"))
            finally:
                self._indexing = None

    def interrupt(self) -> None:
        indexing = self._indexing
        if indexing is not None:
            indexing.cancel()

    def drop(self, main: Connection, part: Part) -> None:
        """It waits for those who read it just now, but not long: else it is tried again later."""
        main.execute(text("SET LOCAL lock_timeout = '50ms'"))
        part.table.drop(main)
        main.execute(text("SET LOCAL lock_timeout = DEFAULT"))

    def size_bytes(self, main: Connection, part: Part) -> int:
        query = text("SELECT pg_total_relation_size(to_regclass(:name))")  # NULL of one that is gone
        return int(main.execute(query, {"name": part.table.name}).scalar() or 0)

    def close(self) -> None:
        self._readers.dispose()


def _without_nul(row: Row) -> Row:
    """PostgreSQL refuses it, and one message must not block its whole batch."""
    if any(row[at] is not None and "\0" in row[at] for at in _WORDS):
        return tuple(each.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(each, str) else each for each in row)
    return row


def _as_sqlalchemy_has_it(connection: Connection, statement: str, error: Exception) -> BaseException:
    """COPY is the driver's own, and so are its errors."""
    dialect, raw = connection.dialect, connection.connection
    gone = dialect.is_disconnect(error, raw, None)  # type: ignore[arg-type]
    made = DBAPIError.instance(
        statement, None, error, dialect.loaded_dbapi.Error, connection_invalidated=gone, dialect=dialect
    )
    if gone:
        connection.invalidate(error)
    return made
