"""Two controllers on one database: the second is refused, and one that lost its place notices before it writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from controller.store import ClaimedError, Store
from tests.databases import Databases, Postgres

CUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def url(databases: Databases, tmp_path: Path) -> str:
    if not isinstance(databases, Postgres):
        pytest.skip("a file of SQLite has the lock of its folder")
    return databases.url(tmp_path)


def cut(url: str) -> None:
    """As where the server restarts."""
    administrator = create_engine(url)
    with administrator.connect() as connection:
        connection.exec_driver_sql(CUT)
    administrator.dispose()


@contextmanager
def controller(url: str) -> Iterator[Store]:
    store = Store(url)
    try:
        store.claim()
        store.open()
        yield store
    finally:
        store.close()


def write(store: Store, what: str) -> None:
    with store.begin() as tx:
        tx.put_meta("what", what)


def test_the_second_is_refused_before_it_changes_anything(url: str) -> None:
    with controller(url) as first:
        second = Store(url)
        with pytest.raises(ClaimedError, match=r"another controller has the database postgres.*: only one may"):
            second.claim()
        write(first, "by the first")
    with controller(url) as third, third.read() as tx:
        assert tx.get_meta("what") == "by the first"


def test_who_only_reads_is_not_refused(url: str) -> None:
    with controller(url):
        reader = Store(url)
        reader.open()
        with reader.read() as tx:
            tx.get_meta("what")
        reader.close()


def test_where_the_server_restarts_it_has_it_again_and_the_second_is_still_refused(url: str) -> None:
    with controller(url) as first:
        for at in range(3):
            cut(url)
            write(first, f"{at}")
            with pytest.raises(ClaimedError):
                Store(url).claim()


def test_one_that_lost_it_to_another_writes_nothing_more(url: str) -> None:
    with controller(url) as first:
        cut(url)
        with controller(url) as second:
            write(second, "by the second")
            with pytest.raises(ClaimedError, match="another controller has"):
                write(first, "by the first")
        with pytest.raises(ClaimedError, match="another controller had"):
            write(first, "by the first")
        with first.read() as tx:
            assert tx.get_meta("what") == "by the second"


def test_a_lost_connection_that_the_server_still_keeps_is_no_other_controller(url: str) -> None:
    with controller(url) as first:
        assert first._claim is not None
        kept, first._claim._connection = first._claim._connection, None
        with pytest.raises(OperationalError, match="still holds it"):
            write(first, "too early")
        write(first, "once it is ended")
        assert kept is not None
        kept.invalidate()
        kept.close()
