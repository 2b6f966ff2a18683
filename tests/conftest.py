"""What all tests share: the databases that they run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything loads onnxruntime: its official builds open connections unless told not to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from tests.databases import SERVER, Databases, Postgres, Sqlite

no_server = pytest.mark.skipif(not SERVER, reason="HEDGEROW_TEST_POSTGRES names no PostgreSQL server")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, no_server])])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """What asks for it runs on each kind of database in turn."""
    made: Databases = Postgres(SERVER) if request.param == "postgres" else Sqlite()
    yield made
    made.close()


@pytest.fixture(scope="module")
def on_each_database(databases: Databases) -> Iterator[None]:
    """The whole controller on each kind of database in turn."""
    from tests.stories.world import World

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "databases", databases)
        yield


@pytest.fixture
def database_url(databases: Databases, tmp_path: Path) -> str:
    return databases.url(tmp_path)
