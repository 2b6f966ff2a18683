"""The controller dies in the middle of a rollout and is started again: the same result, and one seq for one intent."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError

from agent.simulate.durable import Durable
from agent.step.alive import IDLE_S
from agent.wire.messages import Phase, Result
from controller.core import actions as do
from controller.core.nouns.job import JobState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.loop.facts import Stop
from controller.loop.fleet import Fleet
from controller.loop.perform import Send
from controller.store.tx import Tx
from tests.stories.world import World, profile

HASTY = Policy(soak_s=2, retry_s=5, resend_s=5)
DOWN_S = 3.0
QUICK = ("deadline: 6 ms",)
ROOMY = ("deadline: 200 ms",)

Moment = Callable[[World, str], bool]


class Killed(BaseException):
    """The process is gone, in the middle of whatever it did."""


def fleet(tmp_path: Path) -> World:
    """Two devices, the canary of which needs no prune, and a model that is measured."""
    tmp_path.mkdir(exist_ok=True)
    world = World(tmp_path, HASTY)
    world.jobs.seconds = 4.0
    world.add_model()
    world.add_device(profile("a-roomy", *ROOMY))
    world.add_device(profile("b-quick", *QUICK))
    return world


def ended(world: World, rollout: str) -> bool:
    return world.rollout(rollout).state is not RolloutState.RUNNING


def assert_as_if_nothing_had_happened(world: World, rollout: str) -> None:
    world.until(lambda: ended(world, rollout))
    assert world.rollout(rollout).state is RolloutState.FINISHED, world.rollout(rollout).reason
    with world.store.read() as tx:
        assert {job.state for job in tx.jobs()} == {JobState.DONE}
    dense, pruned = sorted(world.variants(), key=lambda each: not each.dense)
    for device, variant in (("a-roomy", dense), ("b-quick", pruned)):
        assert world.assignments(device) == [(1, variant.sha256, Result.SUCCEEDED)]
        assert world.devices[device].running == variant.sha256
    world.run(12)  # what was not acknowledged comes again after ten seconds
    assert all(world.presence(device) is Presence.ONLINE for device in world.devices)
    heard = {device: {boot for boot, _ in world.windows(device)} for device in world.devices}
    assert heard == {device: {f"{device}-1"} for device in world.devices}, "no device was disturbed"


def assigned(device: str) -> Moment:
    return lambda world, _: bool(world.assignments(device))


def reports(device: str, phase: Phase) -> Moment:
    def reported(world: World, _: str) -> bool:
        said = world.device(device).reported
        return said is not None and said.phase is phase

    return reported


def pruning(world: World, _: str) -> bool:
    return bool(world.jobs.running)


def second_wave(world: World, rollout: str) -> bool:
    return world.rollout(rollout).wave == 1


@pytest.mark.parametrize("with_broker", [False, True], ids=["broker stays", "broker dies too"])
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(pruning, id="during a prune"),
        pytest.param(assigned("a-roomy"), id="after the canary's assignment"),
        pytest.param(reports("a-roomy", Phase.TRIAL), id="during the canary's trial"),
        pytest.param(reports("a-roomy", Phase.ACTIVE), id="while the canary soaks"),
        pytest.param(second_wave, id="between the waves"),
        pytest.param(assigned("b-quick"), id="after the last assignment"),
        pytest.param(reports("b-quick", Phase.ACTIVE), id="before the end"),
    ],
)
def test_a_controller_killed_in_a_rollout_ends_it_as_if_nothing_had_happened(
    tmp_path: Path, moment: Moment, with_broker: bool
) -> None:
    world = fleet(tmp_path)
    rollout = world.roll_out()
    world.until(lambda: moment(world, rollout))
    assert not ended(world, rollout)
    world.kill_controller(with_broker=with_broker)
    world.run(DOWN_S)
    world.restart_controller()
    assert_as_if_nothing_had_happened(world, rollout)
    world.store.close()


@pytest.mark.parametrize("where", ["in the middle of a transaction", "between a commit and what it sends"])
def test_a_controller_that_dies_at_any_single_deed_gets_there_too(tmp_path: Path, where: str) -> None:
    """One whole story for the first deed, one for the second, and so on, until it survives."""
    die = fail_at_action if where.startswith("in") else fail_at_send
    for number in range(1, 100):
        world = fleet(tmp_path / str(number))
        die(world, number)
        died = False
        try:
            world.roll_out()
            world.run(20)
        except Killed:
            died = True
            world.kill_controller(with_broker=number % 2 == 0)
            world.run(DOWN_S)
            world.restart_controller()
            if not world.rollouts():  # whoever asked for it got no answer, and asks again
                world.roll_out()
        assert_as_if_nothing_had_happened(world, "r1")
        world.store.close()
        if not died:
            break
    assert number > 3, "it prunes, and assigns to each of the devices"


def fail_at_action(world: World, number: int) -> None:
    perform, left = world.performer.perform, [number]

    def perform_or_die(tx: Tx, action: do.Action, now_unix_s: float) -> list[Send]:
        sends = perform(tx, action, now_unix_s)
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return sends

    world.performer.perform = perform_or_die  # type: ignore[method-assign]


def fail_at_send(world: World, number: int) -> None:
    send, left = world.daemon._dispatcher.send, [number]

    def send_or_die(fleet: Fleet, what: Send) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        send(fleet, what)

    world.daemon._dispatcher.send = send_or_die  # type: ignore[method-assign]


def test_a_prune_that_was_running_is_run_again_and_the_lost_run_counts_as_no_attempt(tmp_path: Path) -> None:
    world = fleet(tmp_path)
    rollout = world.roll_out()
    for _ in range(HASTY.attempts + 1):
        world.until(lambda: bool(world.jobs.running))
        world.kill_controller()
        world.restart_controller()
    assert_as_if_nothing_had_happened(world, rollout)
    with world.store.read() as tx:
        assert {job.attempts for job in tx.jobs()} == {1}
    world.store.close()


def test_a_device_that_lost_its_memory_while_nobody_looked_is_given_the_same_assignment(tmp_path: Path) -> None:
    world = fleet(tmp_path)
    rollout = world.roll_out()
    world.until(lambda: ended(world, rollout))
    before = world.assignments("b-quick")
    world.kill_controller(with_broker=True)
    wiped = world.devices["b-quick"]
    wiped.kill()
    wiped.durable = Durable()
    wiped.restart(world.now_s)
    world.run(DOWN_S)
    assert wiped.running is None
    world.restart_controller()
    world.until(lambda: wiped.running == before[0][1])
    assert world.assignments("b-quick") == before
    world.store.close()


def test_a_state_that_was_copied_from_another_device_is_begun_anew(tmp_path: Path) -> None:
    """A cloned card under a name of its own: it gets what is its own, and tells nothing of the other's."""
    world = fleet(tmp_path)
    rollout = world.roll_out()
    world.until(lambda: ended(world, rollout))
    world.broker.stop()
    world.run(10)
    card = deepcopy(world.devices["b-quick"].durable)
    assert card.windows
    world.broker.start()
    clone = world.add_device(profile("c-clone", *QUICK))
    clone.kill()
    clone.durable = card
    clone.restart(world.now_s)
    world.until(lambda: clone.running is not None)
    (assignment,) = world.assignments("c-clone")
    assert assignment == (1, clone.running, Result.SUCCEEDED)
    world.run(10)
    assert {boot for boot, _ in world.windows("c-clone")} == {"c-clone-2"}
    world.store.close()


def cannot_write() -> NoReturn:
    raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database or disk is full"))


def test_how_a_job_ended_is_not_forgotten_while_the_database_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says it twice, and a job that runs for ever would keep all others waiting."""
    world = fleet(tmp_path)
    rollout = world.roll_out()
    world.until(lambda: bool(world.jobs.running))
    with monkeypatch.context() as full:
        full.setattr(world.store, "begin", cannot_write)
        world.run(10)
        assert not world.jobs.running
    assert_as_if_nothing_had_happened(world, rollout)
    assert len(world.jobs.started) == 2, "nothing was pruned twice"
    world.store.close()


def test_a_controller_that_cannot_write_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = fleet(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(world.store, "begin", cannot_write)
        world.daemon.turn([Stop()])
    assert world.daemon._stopping
    world.store.close()


def test_a_device_that_is_away_is_not_taken_for_present_after_a_restart(tmp_path: Path) -> None:
    """The broker repeats what a device once said of itself; that it is gone is among it. That it is there it
    says itself, though it serves nothing."""
    world = fleet(tmp_path)
    world.run(2)
    world.devices["b-quick"].kill()
    world.run(2)
    world.kill_controller()
    world.restart_controller()
    world.run(2)
    there = {device: world.presence(device) for device in world.devices}
    assert there == {"a-roomy": Presence.UNKNOWN, "b-quick": Presence.OFFLINE}
    world.until(lambda: world.presence("a-roomy") is Presence.ONLINE, limit_s=IDLE_S + 20)
    assert world.presence("b-quick") is Presence.OFFLINE
    world.store.close()
