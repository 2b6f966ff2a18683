from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.core.policy import Policy
from tests.databases import Databases
from tests.stories.world import World

_OF_THE_DATABASE = (
    "bulk",
    "ownership",
    "restart",
    "restored",
    "server",
    "telemetry",
    "unwritable",
    "upgrade",
)
_ALL = "HEDGEROW_TEST_ALL"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The loop's rules know no database, so stories about them are told on SQLite; on both where all is asked for."""
    for item in items:
        its = any(f"test_story_{each}." in item.nodeid for each in _OF_THE_DATABASE)
        of_rules = "test_story_" in item.nodeid and not its
        if of_rules and item.get_closest_marker("postgres") and not os.environ.get(_ALL):
            item.add_marker(pytest.mark.skip(reason=f"a story about rules: {_ALL}=1 tells it on PostgreSQL too"))


@pytest.fixture(scope="module", autouse=True)
def _on_each_database(databases: Databases) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "databases", databases)
        yield


@pytest.fixture(autouse=True)
def _nothing_stays_open(databases: Databases) -> Iterator[None]:
    yield
    databases.close_stores()


@pytest.fixture
def policy() -> Policy:
    return Policy(soak_s=6, retry_s=5, resend_s=5, cooldown_s=30, repair_deadline_s=300)


@pytest.fixture
def world(tmp_path: Path, policy: Policy) -> Iterator[World]:
    made = World(tmp_path, policy)
    yield made
    made.store.close()
