"""A database engine from a URL, with SQLite set so that what was committed survives a power cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from controller.store.errors import StoreError

WRITES = "hedgerow_writes"
"""The execution option of a connection whose transactions write."""

_ALLOWED = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE (with psycopg installed)"
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=500")


def make_engine(url: str | URL) -> Engine:
    """An engine for `sqlite:///FILE`, in a folder that is there, or `postgresql+psycopg://...`. Raises `StoreError`."""
    try:
        # A server that was restarted has ended all connections, and each would be noticed by whoever uses it next.
        engine = create_engine(url, json_serializer=_to_json, json_deserializer=msgspec.json.decode, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"the database URL cannot be used: {error}. Write {_ALLOWED}") from None
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise StoreError(f"a {engine.dialect.name} database cannot be used. Write {_ALLOWED}")
    if engine.dialect.name == "sqlite":
        _need_directory(url)
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    return engine


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _need_directory(url: str | URL) -> None:
    """It is not made here: a path with a typing error would start from nothing."""
    file = make_url(url).database
    if file and not file.startswith((":memory:", "file:")) and not (folder := Path(file).absolute().parent).is_dir():
        raise StoreError(f"database {file}: there is no folder {folder}. Make it first, or correct the path")


def _on_connect(connection: Any, _record: object) -> None:
    # Python's driver begins a transaction only at the first write; then a read and the write after it are not one.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that takes it after reading is refused, without a wait, when another wrote.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
