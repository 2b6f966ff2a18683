"""The database: opened once, written by one thread in whole transactions, read by any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from controller.store import schema
from controller.store.claim import HOLDER, Claim
from controller.store.engine import WRITES, make_engine
from controller.store.errors import StoreError
from controller.store.telemetry import Session, Telemetry
from controller.store.tx import Tx


class Store:
    """`open()` it, then work within `begin()`. One thread writes; `read()` is for every thread. Who is to be the only
    one that writes does `claim()` it before."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._telemetry: Telemetry | None = None
        self._claim: Claim | None = None

    @property
    def address(self) -> str:
        """The database's URL for people, without the password."""
        return str(self._opened().url)

    def claim(self) -> None:
        """Before it is opened, as a newer release would change the tables beneath one that runs.

        Raises `StoreError`; where another controller has the database it is a `ClaimedError`, and so it is from `begin`
        where another one got it meanwhile.
        """
        engine = make_engine(self._url)
        if engine.dialect.name == "sqlite":
            return
        try:
            claim = Claim(engine)
            claim.hold(at_start=True)
        except DatabaseError as error:
            raise StoreError(f"database {engine.url!r} cannot be used: {error.orig}") from None
        self._claim = claim

    def open(self) -> None:
        """Connect, check a SQLite file for damage and bring the tables up to this release.

        Raises `StoreError` where the database is unreachable, damaged or of a newer release; it is then left as it was.
        """
        engine = make_engine(self._url)
        try:
            if engine.dialect.name == "sqlite":
                _check_integrity(engine)
            schema.upgrade(engine)
            self._telemetry = Telemetry(engine)
        except DatabaseError as error:
            engine.dispose()
            raise StoreError(f"database {engine.url!r} cannot be used: {error.orig}") from None
        except StoreError:
            engine.dispose()
            raise
        self._engine = engine
        with self.read() as tx:
            tx.find_newest()
        if self._claim is not None:
            with self.begin() as tx:
                tx.put_meta(HOLDER, self._claim.token)

    def close(self) -> None:
        if self._engine is not None:
            self.telemetry.close()
            self._engine.dispose()
            self._engine = None
        if self._claim is not None:
            self._claim.end()
            self._claim = None

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A transaction that writes: committed at the end of the block, undone by an exception in it."""
        if self._claim is not None:
            self._claim.check()
        with self._opened().connect().execution_options(**{WRITES: True}) as connection:
            session, transaction = Session(self.telemetry, connection), connection.begin()
            try:
                with transaction:
                    yield Tx(connection, session)
                    session.commit()
            except BaseException:
                session.fail()
                raise
            session.settle()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One consistent view of what is committed; writing is a mistake and is undone."""
        engine = self._opened()
        # SQLite in WAL mode reads so by itself; PostgreSQL would show each query what was committed just before it.
        options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        with engine.connect().execution_options(**options) as connection:
            yield Tx(connection, Session(self.telemetry, connection))

    @property
    def telemetry(self) -> Telemetry:
        if self._telemetry is None:
            raise StoreError("the store is not open")
        return self._telemetry

    def _opened(self) -> Engine:
        if self._engine is None:
            raise StoreError("the store is not open")
        return self._engine


def _check_integrity(engine: Engine) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise StoreError(f"database {engine.url!r} is damaged: {found}; restore a backup of it")
