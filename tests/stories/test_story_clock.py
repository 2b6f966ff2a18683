"""Clocks jump on both sides, in the middle of everything: nothing waits longer for it, and nothing ends early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from tests.stories.world import World, profile

HOURS_3 = 10_800.0
YEARS_30 = 30 * 365 * 86_400.0
AFTER_S, WARM_S, ENOUGH_S = 40.0, 70.0, 170.0
PATIENT = Policy(soak_s=30, retry_s=20, resend_s=5, cooldown_s=60, repair_deadline_s=300)

Seen = list[tuple[float, str]]
Disturb = Callable[[World], None]


def story(folder: Path, disturb: Disturb) -> tuple[World, Seen]:
    """A rollout in waves with a prune, a breach with its repair, and a device that is not there until its deadline.

    Returns what happened, and how many seconds after the start by the true time.
    """
    folder.mkdir()
    world = World(folder, PATIENT)
    world.add_model()
    for device, deadline in (("a-roomy", "200 ms"), ("b-quick", "6 ms"), ("c-lost", "200 ms")):
        world.add_device(profile(device, f"deadline: {deadline}"))
    world.devices["c-lost"].kill()
    rollout = world.roll_out()
    world.put(lambda tx: tx.put_rollout(replace(world.rollout(rollout), deadline_s=100.0)))
    began_s, seen = world.now_s, [(0.0, "")]
    while (passed_s := world.now_s - began_s) < ENOUGH_S:
        if passed_s == AFTER_S:
            disturb(world)
        if passed_s == WARM_S:
            world.devices["b-quick"].slowness *= 1.6
        world.run(0.5)
        if (state := told(world, rollout)) != seen[-1][1]:
            seen.append((passed_s, state))
    return world, seen


def told(world: World, rollout: str) -> str:
    known = world.rollout(rollout)
    parts: list[object] = [known.state, known.wave, known.reason]
    for device in world.devices:
        parts += [world.assignments(device), *((each.state, each.outcome) for each in world.incidents(device))]
    return " ".join(map(str, parts))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    world, seen = story(tmp_path_factory.mktemp("undisturbed") / "world", lambda world: None)
    assert world.rollout("r1").state is RolloutState.FAILED, "the deadline of the lost device passed"
    assert "inside its budget on the new variant" in seen[-1][1]
    assert sum(at > AFTER_S for at, _ in seen) >= 5, "much happens after the clocks jump"
    world.store.close()
    return seen


def controller_by(jump_s: float) -> Disturb:
    def jump(world: World) -> None:
        world.wall_jump_s = jump_s

    return jump


def devices_by(*jumps_s: float) -> Disturb:
    def jump(world: World) -> None:
        for device, jump_s in zip(world.devices.values(), jumps_s, strict=False):
            device.wall_offset_s = jump_s

    return jump


def restarted_after(disturb: Disturb) -> Disturb:
    def restart(world: World) -> None:
        world.kill_controller()
        disturb(world)
        world.restart_controller()

    return restart


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(controller_by(-HOURS_3), id="the controller's, 3 h back"),
        pytest.param(controller_by(HOURS_3), id="the controller's, 3 h on"),
        pytest.param(controller_by(-YEARS_30), id="the controller's is lost"),
        pytest.param(controller_by(YEARS_30), id="the controller's is found"),
        pytest.param(devices_by(-HOURS_3, HOURS_3), id="the devices', 3 h back and 3 h on"),
        pytest.param(restarted_after(controller_by(HOURS_3)), id="the controller's, 3 h on, over a restart"),
        pytest.param(restarted_after(controller_by(-HOURS_3)), id="the controller's, 3 h back, over a restart"),
    ],
)
def test_everything_happens_when_it_would_have(tmp_path: Path, undisturbed: Seen, disturb: Disturb) -> None:
    world, seen = story(tmp_path / "world", disturb)
    assert [each for each in seen if each[0] < AFTER_S] == [each for each in undisturbed if each[0] < AFTER_S]
    assert seen == undisturbed
    world.store.close()


def test_after_another_boot_with_a_clock_that_is_hours_behind_nothing_hangs(tmp_path: Path) -> None:
    def boot(world: World) -> None:
        world.boot, world.wall_jump_s = "another", -HOURS_3

    world, seen = story(tmp_path / "world", restarted_after(boot))
    assert world.rollout("r1").state is RolloutState.FAILED
    assert "inside its budget on the new variant" in seen[-1][1]
    world.store.close()


def test_shown_times_are_right_again_a_turn_after_the_correction(world: World) -> None:
    """A board that starts in 1970 takes up at the newest stamp there is, and hears from NTP a minute later."""
    world.add_model()
    world.add_device(profile("roomy", "deadline: 200 ms"))
    world.kill_controller()
    world.run(120)
    world.boot, world.wall_jump_s = "another", -YEARS_30
    world.restart_controller()
    restarted_s = world.now_s
    world.run(60)
    assert world.clock.now() < world.now_s - 100, "how long it was down nobody can tell"
    world.wall_jump_s = 0.0
    world.run(10)
    assert world.clock.now() == world.now_s
    assert world.device("roomy").last_seen_unix_s == pytest.approx(restarted_s, abs=1), "it said hello then"
