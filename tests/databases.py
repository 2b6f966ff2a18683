"""The databases that tests run on: a SQLite file and, where HEDGEROW_TEST_POSTGRES names a server, PostgreSQL too."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url

from controller.store import Store, schema
from controller.store.engine import make_engine

SERVER = os.environ.get("HEDGEROW_TEST_POSTGRES", "")
"""An SQLAlchemy URL of a role that may create databases; none that is there is touched."""


class Databases(ABC):
    """One database for each folder, as a controller has one for its state."""

    def __init__(self) -> None:
        self._opened: list[Store] = []

    def open(self, folder: Path) -> Store:
        """The store of `folder`, opened anew as a controller does; it is closed by `close_stores` where nobody else
        does."""
        store = Store(self.url(folder))
        self._opened.append(store)
        store.claim()
        store.open()
        return store

    def close_stores(self) -> None:
        while self._opened:
            self._opened.pop().close()

    @abstractmethod
    def url(self, folder: Path, *, empty: bool = False) -> str:
        """That of `folder`; one that was not there yet has tables already, or with `empty` may have none."""

    @abstractmethod
    def back_up(self, folder: Path) -> str:
        """Copy it, while nobody uses it; the name of the copy."""

    @abstractmethod
    def restore(self, folder: Path, kept: str) -> None:
        """Put the copy in its place, while nobody uses it."""

    def close(self) -> None:
        """No server keeps anything of them; files go with their folders."""
        self.close_stores()


class Sqlite(Databases):
    def url(self, folder: Path, *, empty: bool = False) -> str:
        return f"sqlite:///{folder / 'hedgerow.db'}"

    def back_up(self, folder: Path) -> str:
        shutil.rmtree(folder / "backup.telemetry", ignore_errors=True)
        if (telemetry := folder / "hedgerow.telemetry").is_dir():
            shutil.copytree(telemetry, folder / "backup.telemetry")
        return str(shutil.copy(folder / "hedgerow.db", folder / "backup.db"))

    def restore(self, folder: Path, kept: str) -> None:
        for file in folder.glob("hedgerow.db*"):
            file.unlink()
        shutil.rmtree(folder / "hedgerow.telemetry", ignore_errors=True)
        if (telemetry := folder / "backup.telemetry").is_dir():
            shutil.copytree(telemetry, folder / "hedgerow.telemetry")
        shutil.copy(kept, folder / "hedgerow.db")


class Postgres(Databases):
    """Each is a copy of one with tables: that takes 30 ms, where to make the tables takes 140."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = make_url(server)
        self._admin = create_engine(server, isolation_level="AUTOCOMMIT")
        self._made: list[str] = []
        self._names: dict[Path, str] = {}
        self._tables = self._create("template1")
        engine = make_engine(self._url(self._tables))
        schema.upgrade(engine)
        engine.dispose()

    def url(self, folder: Path, *, empty: bool = False) -> str:
        if folder not in self._names:
            self._names[folder] = self._create("template1" if empty else self._tables)
        return self._url(self._names[folder])

    def back_up(self, folder: Path) -> str:
        return self._create(self._names[folder])

    def restore(self, folder: Path, kept: str) -> None:
        self._names[folder] = self._create(kept)

    def close(self) -> None:
        super().close()
        for name in self._made:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")
        self._admin.dispose()

    def _create(self, template: str) -> str:
        name = f"hedgerow_test_{uuid4().hex}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return name

    def _do(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)
