"""No time is over for a device while nobody could have heard it: the controller was off, or its link was down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.wire.messages import Result
from controller.core.nouns.member import Standing
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from tests.stories.world import World, profile

DEADLINE_S = 600.0  # of every rollout


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, Policy(soak_s=2, retry_s=5, resend_s=5))
    made.jobs.seconds = 2.0
    made.add_model()
    yield made
    made.store.close()


def controller_off(world: World, seconds: float) -> None:
    world.kill_controller()
    world.now_s += seconds
    world.boot = "another boot"
    world.restart_controller()


def broker_away(world: World, seconds: float) -> None:
    world.broker.stop()
    world.run(seconds, step_s=5)
    world.broker.start()


def silent_in_a_rollout(world: World) -> str:
    """One device has been told what to run, and was switched off before it heard of it."""
    world.add_device(profile("cam", "deadline: 6 ms"))
    world.run(1)
    world.devices["cam"].kill()
    rollout = world.roll_out()
    world.until(lambda: len(world.results("cam")) == 1)
    return rollout


def standing(world: World, rollout: str) -> Standing:
    with world.store.read() as tx:
        (member,) = tx.members(rollout)
    return member.standing


@pytest.mark.parametrize("away", [controller_off, broker_away])
def test_who_could_not_answer_meanwhile_has_the_time_anew(world: World, away: Callable[[World, float], None]) -> None:
    rollout = silent_in_a_rollout(world)
    away(world, 3 * DEADLINE_S)
    world.run(DEADLINE_S / 2)
    assert (standing(world, rollout), world.rollout(rollout).state) == (Standing.RUNNING, RolloutState.RUNNING)
    world.devices["cam"].restart(world.now_s)
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    assert world.results("cam") == [Result.SUCCEEDED]


@pytest.mark.parametrize("away", [controller_off, broker_away])
def test_who_stays_silent_has_failed_once_that_is_over_too(world: World, away: Callable[[World, float], None]) -> None:
    rollout = silent_in_a_rollout(world)
    away(world, 3 * DEADLINE_S)
    world.until(lambda: world.rollout(rollout).state is RolloutState.FAILED, limit_s=2 * DEADLINE_S)
    assert standing(world, rollout) is Standing.FAILED


def test_who_had_failed_by_silence_does_not_come_back_as_the_link_does(world: World) -> None:
    for name in ("cam-1", "cam-2", "cam-3", "cam-4", "cam-5", "cam-6"):
        world.add_device(profile(name, "deadline: 6 ms"))
    world.run(1)
    world.devices["cam-1"].kill()
    rollout = world.roll_out("")

    def failed() -> bool:
        with world.store.read() as tx:
            return any(each.standing is Standing.FAILED for each in tx.members(rollout))

    world.until(failed, limit_s=2 * DEADLINE_S)
    broker_away(world, 60)
    world.run(5)
    assert failed()


def test_a_short_restart_gives_no_more_time_though_nobody_else_is_heard(world: World) -> None:
    rollout = silent_in_a_rollout(world)
    world.run(DEADLINE_S / 2)
    controller_off(world, 5)
    world.run(DEADLINE_S / 2 + 10)
    assert world.rollout(rollout).state is RolloutState.FAILED
