from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.e2e.e2e_fleet import Fleet, rolled_out
from tests.e2e.grounds import Grounds
from tests.e2e.user_model import write_model


@pytest.fixture(scope="session")
def user_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("user") / "model")


@pytest.fixture
def grounds(databases: Databases, tmp_path: Path) -> Iterator[Grounds]:
    made = Grounds(tmp_path, databases)
    yield made
    made.end()


@pytest.fixture(scope="module")
def fleet(databases: Databases, tmp_path_factory: pytest.TempPathFactory, user_model: Path) -> Iterator[Fleet]:
    grounds = Grounds(tmp_path_factory.mktemp("fleet"), databases)
    try:
        yield rolled_out(grounds, user_model)
    finally:
        grounds.end()
