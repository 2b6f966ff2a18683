from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.core.policy import Policy
from tests.databases import Databases
from tests.stories.world import World


@pytest.fixture(scope="module", autouse=True)
def _on_each_database(databases: Databases) -> Iterator[None]:
    """Every story is told on each kind."""
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
