"""Nouns to rows and back, and the one upsert that both databases understand."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Dialect, RowMapping, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from controller.store.telemetry import Session

N = TypeVar("N")
Insert = sqlite.Insert | postgresql.Insert


def to_row(noun: object) -> dict[str, Any]:
    """The fields of a noun as column values: enumerations as their words, nested nouns as JSON."""
    row: dict[str, Any] = msgspec.to_builtins(noun, builtin_types=(bytes,))
    return row


def from_row(kind: type[N], row: RowMapping | dict[str, Any]) -> N:
    """The noun that a row keeps; columns that are no field of it are ignored."""
    # SQLAlchemy's names are a subclass of str, which msgspec does not take for a key.
    return msgspec.convert({str(name): value for name, value in row.items()}, kind, builtin_types=(bytes,))


def insert_into(table: Table, dialect: Dialect) -> Insert:
    """An insert that knows ON CONFLICT, which SQLAlchemy has per database."""
    return _insert_into(table, dialect.name)


def _insert_into(table: Table, database: str) -> Insert:
    return postgresql.insert(table) if database == "postgresql" else sqlite.insert(table)


def upsert(table: Table, dialect: Dialect, keep: tuple[str, ...] = ()) -> Insert:
    """Insert a row, or replace every other column but those to `keep` where one of the same primary key stands."""
    return _upsert(table, dialect.name, keep)


@cache
def _upsert(table: Table, database: str, keep: tuple[str, ...]) -> Insert:
    """It takes longer to say than to write a hundred rows by it, so it is said once."""
    insert = _insert_into(table, database)
    keys, excluded = [column.name for column in table.primary_key], insert.excluded
    rest = {column.name: excluded[column.name] for column in table.columns if column.name not in (*keys, *keep)}
    return insert.on_conflict_do_update(index_elements=keys, set_=rest)


class Rows:
    """What the rows of every noun share: the connection of the transaction that they are read and written in, and what
    it has of the telemetry."""

    def __init__(self, connection: Connection, telemetry: Session) -> None:
        self._connection, self._telemetry = connection, telemetry

    def _put(self, table: Table, row: dict[str, Any]) -> None:
        self._put_all(table, [row])

    def _put_all(self, table: Table, rows: list[dict[str, Any]], keep: tuple[str, ...] = ()) -> None:
        if rows:
            self._connection.execute(upsert(table, self._connection.dialect, keep), rows)

    def _all(self, kind: type[N], query: Select[Any]) -> list[N]:
        return [from_row(kind, row) for row in self._connection.execute(query).mappings()]

    def _one(self, kind: type[N], query: Select[Any]) -> N | None:
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else from_row(kind, row)
