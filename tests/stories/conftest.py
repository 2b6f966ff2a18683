from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.core.policy import Policy
from tests.stories.world import World


@pytest.fixture
def policy() -> Policy:
    return Policy(soak_s=6, retry_s=5, resend_s=5, cooldown_s=30, repair_deadline_s=300)


@pytest.fixture
def world(tmp_path: Path, policy: Policy) -> Iterator[World]:
    made = World(tmp_path, policy)
    yield made
    made.store.close()
