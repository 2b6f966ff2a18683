"""A store in a fresh file, or in the PostgreSQL database that HEDGEROW_TEST_POSTGRES names, emptied for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.store import Store
from controller.store.engine import make_engine

POSTGRES = os.environ.get("HEDGEROW_TEST_POSTGRES")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/controller.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    if POSTGRES:
        empty(POSTGRES)
    store = Store(POSTGRES or url)
    store.open()
    yield store
    store.close()


def empty(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
