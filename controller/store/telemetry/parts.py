"""Where parts are kept: what SQLite and PostgreSQL do each in their own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from controller.store.tables import windows
from controller.store.telemetry.part import Part, legacy

Row = tuple[Any, ...]
"""Values in the order of `part.COLUMNS`."""


class Parts(ABC):
    """Of one database. `main` is a connection to where the facts are; `is_apart` where parts have transactions of their
    own."""

    is_apart: bool

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def found(self) -> list[Part]:
        """Those that have rows, in the order of their ids."""
        with self._engine.connect() as main:
            first_id = main.execute(select(func.min(windows.c.id))).scalar()
            before = [] if first_id is None else [legacy(first_id)]
            return sorted([*before, *self._found(main)], key=lambda part: part.first_id)

    @abstractmethod
    def _found(self, main: Connection) -> list[Part]: ...

    @abstractmethod
    def make(self, main: Connection, name: str, first_id: int) -> Part:
        """A new part without rows; whatever was left under its name is gone."""

    @abstractmethod
    def writer(self, main: Connection, part: Part) -> Connection:
        """In a transaction, which is that of `main` or a new one."""

    @abstractmethod
    def add(self, connection: Connection, part: Part, rows: Sequence[Row]) -> None: ...

    @abstractmethod
    def reader(self, part: Part) -> AbstractContextManager[Connection]:
        """It sees what is committed by now, whenever the transaction of the facts began."""

    @abstractmethod
    def index(self, part: Part) -> None:
        """Make the index by device. It may take minutes, and is for a thread of its own; `interrupt` ends it."""

    @abstractmethod
    def interrupt(self) -> None: ...

    @abstractmethod
    def drop(self, main: Connection, part: Part) -> None: ...

    @abstractmethod
    def size_bytes(self, main: Connection, part: Part) -> int: ...

    def close(self) -> None:  # noqa: B027
        """Nothing of it is used any more."""
