"""Windows over a link that loses, doubles and reorders: each is stored exactly once, and in the end none is missing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.simulate.device import SimDevice
from agent.simulate.memory import Faults
from agent.wire.messages import Telemetry, Window, encode
from agent.wire.topics import Leaf, topic
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.core.presence import Presence
from tests.stories.world import World, profile

POLICY = Policy(soak_s=2, retry_s=5, resend_s=5)
Key = tuple[str, int]


def fleet(tmp_path: Path, count: int = 3, **body: Any) -> World:
    """Devices that serve and send."""
    world = World(tmp_path, POLICY)
    world.add_model()
    for number in range(count):
        world.add_device(profile(f"cam-{number}", "deadline: 200 ms"), **body)
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    return world


def closed(device: SimDevice) -> list[Key]:
    """The windows of its present boot."""
    return [(device.state.setup.boot, seq + 1) for seq in range(device.state.window_seq)]


def drained(world: World) -> bool:
    """Nothing waits on a device but what it closed just now."""
    return all(not device.durable.windows for device in world.devices.values())


def reboot(world: World, device: SimDevice) -> list[Key]:
    """Kill and restart it; the windows of the boot that ended."""
    before = closed(device)
    device.restart(world.now_s)
    return before


@pytest.mark.parametrize("seed", range(4))
def test_what_a_bad_link_does_to_windows_leaves_no_trace(tmp_path: Path, seed: int) -> None:
    """Through reboots, kills of the controller and broker outages, too."""
    world, dice = fleet(tmp_path), random.Random(seed)
    world.broker.faults = Faults(random=dice, drop=0.15, duplicate=0.15, reorder=0.3)
    earlier: dict[str, list[Key]] = {device: [] for device in world.devices}
    for _ in range(6):
        world.run(dice.uniform(5, 30))
        match dice.randrange(3):
            case 0:
                device = world.devices[dice.choice(sorted(world.devices))]
                earlier[device.id] += reboot(world, device)
            case 1:
                world.kill_controller(with_broker=dice.random() < 0.5)
                world.run(dice.uniform(0, 20))
                world.restart_controller()
            case _:
                world.broker.stop()
                world.run(dice.uniform(0, 20))
                world.broker.start()
    world.broker.faults = None
    world.run(10)  # as the last thing that happened may have been a reboot
    world.until(lambda: drained(world))
    for device in world.devices.values():
        assert sorted(world.windows(device.id)) == sorted(earlier[device.id] + closed(device)), device.id
        assert device.durable.dropped == {}
        assert len(closed(device)) > 1
    world.store.close()


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_rollout_over_a_bad_link_ends_well(tmp_path: Path, seed: int) -> None:
    """Lost assignments, blocks and reports of an end: all of them are asked for again."""
    world = World(tmp_path, POLICY, Faults(random=random.Random(seed), drop=0.1, duplicate=0.1, reorder=0.2))
    world.add_model()
    for number in range(4):
        world.add_device(profile(f"cam-{number}", "deadline: 200 ms"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING, limit_s=200)
    assert world.rollout(rollout).state is RolloutState.FINISHED, world.rollout(rollout).reason
    assert all(len(world.assignments(device)) == 1 for device in world.devices)
    world.store.close()


def test_poison_goes_to_the_dead_letters_and_blocks_nobody(tmp_path: Path) -> None:
    world = fleet(tmp_path)
    stranger, good = world.broker.link("stranger"), Window(seq=1, duration_s=2.0)
    stranger.start(lambda _event: None)
    beyond = msgspec.structs.replace(good, count=2**70)
    poison = [
        ("cam-0", b"\xff\xfe no message"),
        ("cam-0", b'{"device": "cam-0", "boot": "b", "windows": [{"seq": "one"}]}'),
        ("cam-0", b"[" * 100_000),
        ("cam-0", b"x" * 300_000),
        ("cam-0", encode(Telemetry(device="cam-1", boot="cam-1-1", windows=[good]))),
        ("cam-0", encode(Telemetry(device="cam-0", boot="poison", windows=[good, beyond]))),
    ]
    for _ in range(5):
        for device, payload in poison:
            stranger.publish(topic(device, Leaf.TELEMETRY), payload)
        world.run(4)
    letters = world.dead_letters()
    assert len(letters) == 5 * len(poison)
    assert {letter.topic for letter in letters} == {topic("cam-0", Leaf.TELEMETRY)}
    assert all(letter.reason for letter in letters)
    world.until(lambda: drained(world))
    for each in world.devices.values():
        assert world.windows(each.id) == closed(each), "all of its own, and nothing of the poison's"
        assert world.presence(each.id) is Presence.ONLINE
    world.store.close()


def test_telemetry_of_a_device_that_nobody_knows_is_neither_kept_nor_acknowledged(tmp_path: Path) -> None:
    world = fleet(tmp_path, count=1)
    heard: list[object] = []
    stranger = world.broker.link("stranger")
    stranger.start(heard.append)
    stranger.subscribe([topic("stranger", Leaf.ACK)])
    window = Window(seq=1, duration_s=2.0)
    stranger.publish(
        topic("stranger", Leaf.TELEMETRY), encode(Telemetry(device="stranger", boot="b", windows=[window]))
    )
    heard.clear()
    world.run(2)
    assert world.windows("stranger") == []
    assert not any(hasattr(event, "payload") for event in heard)
    world.store.close()


def test_a_long_absence_is_made_up_for_in_order(tmp_path: Path) -> None:
    """Half an hour and a reboot in the middle of it: a thousand windows, batch by batch, the older boot first."""
    world = fleet(tmp_path, count=2, spool_limit=1100)
    device = world.devices["cam-0"]
    world.broker.stop(forget=True)
    world.run(1000, step_s=2.0)
    earlier = reboot(world, device)
    world.run(1000, step_s=2.0)
    assert len(device.durable.windows) > 900
    world.broker.start()
    world.until(lambda: drained(world), limit_s=60)
    assert world.windows("cam-0") == earlier + closed(device)
    assert world.presence("cam-0") is Presence.ONLINE
    world.store.close()


def test_what_a_full_spool_gave_up_is_counted_and_the_rest_arrives_in_order(tmp_path: Path) -> None:
    world = fleet(tmp_path, count=1, spool_limit=100)
    device = world.devices["cam-0"]
    world.until(lambda: drained(world))
    stored = len(world.windows("cam-0"))
    world.broker.stop()
    world.run(600)
    lost = device.durable.dropped[device.state.setup.boot]
    assert len(device.durable.windows) == 100
    world.broker.start()
    world.until(lambda: drained(world), limit_s=60)
    expected = closed(device)
    assert world.windows("cam-0") == expected[:stored] + expected[stored + lost :]
    world.store.close()
