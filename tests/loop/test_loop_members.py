"""A member's row is written when it moves, and at no other time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from controller.core.nouns.member import Member
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.store.tx import Tx
from tests.stories.world import World, profile


def test_what_does_not_move_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, put = Counter[str](), Tx.put_members

    def counted(tx: Tx, changed: Iterable[Member]) -> None:
        rows = list(changed)
        written.update(each.device for each in rows)
        put(tx, rows)

    monkeypatch.setattr(Tx, "put_members", counted)
    world = World(tmp_path, Policy(soak_s=6))
    world.add_model()
    for number in range(5):
        world.add_device(profile(f"d{number}", "deadline: 200 ms"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    assert written.keys() == set(world.devices)
    assert max(written.values()) <= 4, "ready, let go and running, soaking, succeeded"
    written.clear()
    windows = len(world.windows("d0"))
    world.run(60)
    assert len(world.windows("d0")) > windows + 10
    assert not written, "telemetry moves nobody"
    world.kill_controller()
    world.restart_controller()
    world.run(10)
    assert not written, "nor does a restart"
    world.store.close()
