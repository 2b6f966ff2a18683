"""The bytes of an artifact are gone from the controller's disk, or damaged: it is made again, and the fleet goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.core.nouns.job import JobState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from tests.stories.world import World, profile


def _remove(path: Path) -> None:
    path.unlink()


def _damage(path: Path) -> None:
    path.write_bytes(b"!" + path.read_bytes()[1:])


@pytest.fixture(params=[_remove, _damage])
def spoil(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    made: Callable[[Path], None] = request.param
    return made


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, Policy(soak_s=2, retry_s=5, resend_s=5))
    world.jobs.seconds = 4.0
    world.add_model()
    world.add_device(profile("a-roomy", "deadline: 200 ms"))
    world.add_device(profile("b-quick", "deadline: 6 ms"))
    return world


def _finished(world: World, rollout: str) -> bool:
    return world.rollout(rollout).state is RolloutState.FINISHED


def _dense_path(world: World) -> Path:
    (dense,) = [each for each in world.variants() if each.dense]
    return world.artifacts.path(dense.sha256)


def _assert_all_is_well(world: World, path: Path) -> None:
    dense, pruned = sorted(world.variants(), key=lambda each: not each.dense)
    assert dense.sha256 == path.stem
    assert world.devices["a-roomy"].running in (dense.sha256, pruned.sha256), "whichever was there first"
    assert world.devices["b-quick"].running == pruned.sha256
    with world.store.read() as tx:
        assert {job.state for job in tx.jobs()} == {JobState.DONE}
    assert path.is_file()


def test_what_was_lost_before_anybody_was_given_it_is_made_again(world: World, spoil: Callable[[Path], None]) -> None:
    path = _dense_path(world)
    spoil(path)
    rollout = world.roll_out()
    world.until(lambda: _finished(world, rollout))
    _assert_all_is_well(world, path)
    assert world.jobs.started.count("ram=- storage=- latency=-") == 2


def test_what_is_lost_while_a_device_waits_for_its_blocks_is_made_again(
    world: World, spoil: Callable[[Path], None]
) -> None:
    path = _dense_path(world)
    rollout = world.roll_out()
    assert world.assignments("a-roomy")
    spoil(path)
    world.until(lambda: _finished(world, rollout))
    _assert_all_is_well(world, path)
    assert len(world.jobs.started) == 3
