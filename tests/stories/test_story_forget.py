"""A device is forgotten: nothing of it is left but its mark, neither here nor in the broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.wire.messages import Result
from agent.wire.topics import RETAINED, topic
from controller.core.intents import ForgetDevice, IntentError
from controller.core.nouns.device import DeviceState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from tests.stories.world import World, profile


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, Policy(soak_s=2, retry_s=5, resend_s=5))
    made.jobs.seconds = 2.0
    made.add_model()
    yield made
    made.store.close()


def served(world: World, *names: str) -> None:
    """Devices that have had an assignment, in a rollout that has finished."""
    for each in names:
        world.add_device(profile(each, "deadline: 6 ms"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)


def retained(world: World, device: str) -> set[str]:
    return {leaf for leaf in RETAINED if topic(device, leaf) in world.broker.retained}


def known(world: World, device: str) -> bool:
    with world.store.read() as tx:
        return tx.get_device(device) is not None


def leave(world: World, device: str) -> None:
    """It is switched off for good."""
    world.devices.pop(device).kill()
    world.run(1)


def test_nothing_of_it_is_left(world: World) -> None:
    served(world, "cam", "other")
    leave(world, "cam")
    assert retained(world, "cam") == RETAINED
    assert world.ask(ForgetDevice("cam")) == "cam"
    world.run(2)
    assert not known(world, "cam")
    assert retained(world, "cam") == set()
    assert retained(world, "other") == RETAINED
    with world.store.read() as tx:
        assert tx.placements("cam") == tx.history("cam") == tx.incidents("cam") == []
        assert [each.device for each in (*tx.owners(), *tx.members("r1"))] == ["other", "other"]
        (left,) = tx.forgotten()
    assert (left.device, left.mark, left.cleared) == ("cam", (1, 1), True)
    assert world.dead_letters() == []
    world.assert_memory_is_what_is_stored()
    with pytest.raises(IntentError, match="not known"):
        world.ask(ForgetDevice("cam"))


def test_if_it_comes_again_it_is_pending_and_obeys_what_is_above_its_mark(world: World) -> None:
    served(world, "cam")
    device = world.devices["cam"]
    world.ask(ForgetDevice("cam"))
    world.run(2)
    device.kill()
    device.restart(world.now_s)
    world.until(lambda: known(world, "cam"))
    assert world.device("cam").state is DeviceState.PENDING
    world.accept("cam")
    world.until(lambda: world.results("cam") == [Result.SUCCEEDED])
    assert [seq for seq, _, _ in world.assignments("cam")] == [2]
    world.assert_memory_is_what_is_stored()


def test_the_broker_was_away_meanwhile(world: World) -> None:
    served(world, "cam")
    leave(world, "cam")
    world.broker.stop()
    world.run(1)
    world.ask(ForgetDevice("cam"))
    world.run(2)
    world.kill_controller()
    world.restart_controller()
    world.until(lambda: retained(world, "cam") == set())
    world.run(1)
    with world.store.read() as tx:
        assert [each.cleared for each in tx.forgotten()] == [True]
    assert not known(world, "cam")


def test_a_rollout_goes_on_without_it(world: World) -> None:
    for name in ("cam-1", "cam-2", "cam-3"):
        world.add_device(profile(name, "deadline: 6 ms"))
    leave(world, "cam-1")
    rollout = world.roll_out()
    world.run(20)
    assert world.rollout(rollout).state is RolloutState.RUNNING
    world.ask(ForgetDevice("cam-1"))
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    assert world.rollout(rollout).reason == "2 succeeded"


def test_it_waited_for_a_prune_that_nobody_wants_now(world: World) -> None:
    world.jobs.seconds = 60.0
    world.add_device(profile("cam", "deadline: 6 ms"))
    world.roll_out()
    world.run(2)
    assert world.daemon._fleet.wishes.all
    world.ask(ForgetDevice("cam"))
    world.run(2)
    assert not world.daemon._fleet.wishes.all
    world.assert_memory_is_what_is_stored()
