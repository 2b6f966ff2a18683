"""The controller's memory is older than its devices': a state directory restored from yesterday's backup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.simulate.device import SimDevice
from agent.wire.messages import Phase, Reported, Result, encode
from agent.wire.topics import Leaf, topic
from controller.core.intents import RegisterDevice
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from tests.stories.world import World, profile

POLICY = Policy(soak_s=2, retry_s=5, resend_s=5)
DEADLINES = ("6 ms", "5 ms", "4 ms", "3 ms")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, POLICY)
    made.jobs.seconds = 2.0
    made.add_model()
    yield made
    made.store.close()


def give(world: World, deadline: str) -> None:
    """The owner asks for another deadline; the device gets a variant made for it."""
    before = world.devices["cam"].running
    world.ask(RegisterDevice(profile("cam", f"deadline: {deadline}")))
    world.until(lambda: world.devices["cam"].running not in (None, before))
    world.until(lambda: world.results("cam")[-1] == Result.SUCCEEDED)


def served(world: World) -> SimDevice:
    """A device that has had one assignment, in a rollout that has finished."""
    device = world.add_device(profile("cam", f"deadline: {DEADLINES[0]}"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    return device


def back_up(world: World) -> str:
    world.kill_controller()
    kept = world.databases.back_up(world.tmp_path)
    world.restart_controller()
    return kept


def restore(world: World, kept: str, *, with_broker: bool) -> None:
    world.kill_controller(with_broker=with_broker)
    world.databases.restore(world.tmp_path, kept)
    world.restart_controller()


def refusals(device: SimDevice) -> int:
    return sum(note.what == "refused" for _, note in device.log)


@pytest.mark.parametrize("with_broker", [False, True], ids=["broker stays", "broker forgets"])
@pytest.mark.parametrize("epoch", [1, 3], ids=["same epoch", "a higher epoch was lost"])
def test_it_goes_above_the_devices_mark_by_itself_and_says_so_once(
    world: World, caplog: pytest.LogCaptureFixture, with_broker: bool, epoch: int
) -> None:
    device = served(world)
    kept = back_up(world)
    world.performer._epoch = epoch
    for deadline in DEADLINES[1:]:
        give(world, deadline)
    mark = device.durable.record.mark
    assert mark == (epoch, 4)

    restore(world, kept, with_broker=with_broker)
    world.until(lambda: device.durable.record.mark > mark, limit_s=30)
    world.until(lambda: world.results("cam")[-1] == Result.SUCCEEDED, limit_s=30)
    assert [(seq, result) for seq, _, result in world.assignments("cam")] == [
        (1, Result.SUCCEEDED),
        (5, Result.SUCCEEDED),
    ]
    assert device.durable.record.mark == (epoch, 5)
    assert device.running == world.assignments("cam")[-1][1] == world.assignments("cam")[0][1]
    assert refusals(device) <= 1, "it may be told the old one before it has said its mark"
    world.run(60)
    assert refusals(device) <= 1
    assert caplog.text.count("event=above_mark") == 1
    give(world, "2 ms")
    assert device.durable.record.mark == (epoch, 6)


def test_a_rollout_on_a_device_that_another_controller_served_goes_above_too(world: World) -> None:
    """The database is new, or another; the device has long had assignments."""
    device = served(world)
    give(world, "5 ms")
    latest = device.durable.record.latest
    assert latest is not None
    device.kill()
    device.durable.record = msgspec.structs.replace(
        device.durable.record, latest=msgspec.structs.replace(latest, epoch=7, seq=900)
    )
    device.restart(world.now_s)
    world.until(lambda: device.durable.record.mark == (7, 901), limit_s=30)
    world.until(lambda: world.results("cam")[-1] == Result.SUCCEEDED, limit_s=30)


def far_ahead(world: World, device: SimDevice) -> None:
    """The device itself remembers a seq that nobody can have issued."""
    latest = device.durable.record.latest
    assert latest is not None
    device.kill()
    device.durable.record = msgspec.structs.replace(
        device.durable.record, latest=msgspec.structs.replace(latest, seq=2**53)
    )
    device.restart(world.now_s)


def test_a_mark_that_nobody_can_have_issued_is_not_followed_and_nothing_is_sent_for_ever(world: World) -> None:
    device = served(world)
    far_ahead(world, device)
    world.run(120)
    with world.store.read() as tx:
        newest = tx.latest_desired("cam")
    assert newest is not None
    assert (newest.seq, newest.result) == (POLICY.attempts, Result.REJECTED)
    assert newest.reason.startswith(f"stale: the device reports the mark (1, {2**53})")
    told = refusals(device)
    assert told <= POLICY.attempts
    world.run(300)
    assert refusals(device) == told
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FAILED

    world.kill_controller()
    world.restart_controller()
    world.performer._epoch = 2  # as the manual says
    world.roll_out()
    world.until(lambda: device.durable.record.mark[0] == 2, limit_s=60)


def test_forged_reports_hardly_move_the_numbers_and_the_devices_own_word_mends_it(world: World) -> None:
    device = served(world)
    forger = world.broker.link("forger")
    forger.start(lambda _: None)
    for seq in (2**53, 2**63 - 1, 1000, 2000, 3000):
        forged = Reported(device="cam", boot="x", epoch=1, seq=seq, sha256=device.running, phase=Phase.ACTIVE)
        forger.publish(topic("cam", Leaf.REPORTED), encode(forged), retain=True)
        world.run(1)
    world.until(lambda: world.results("cam")[-1] == Result.SUCCEEDED, limit_s=120)
    world.run(30)
    seqs = [seq for seq, _, _ in world.assignments("cam")]
    assert device.durable.record.mark[1] == seqs[-1] <= 3001
    assert len(seqs) <= 4
    assert world.results("cam")[-1] == Result.SUCCEEDED
