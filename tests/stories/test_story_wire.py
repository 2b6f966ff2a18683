"""Agents and controllers of different releases, and manifests that get lost: nobody waits in silence."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace

import msgspec
from sqlalchemy import delete, update

from agent.link import Connected, LinkEvent
from agent.record import Record
from agent.simulate.device import SimDevice
from agent.simulate.memory import Faults
from agent.wire import blocks
from agent.wire.messages import WIRE, Assignment, Info, Result, Status, Telemetry, Window, encode
from agent.wire.signing import sign, verify
from agent.wire.topics import Leaf, topic
from controller.core.intents import RegisterDevice
from controller.core.nouns.desired import Desired
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.variant import Variant
from controller.store import Tx, tables
from controller.web.device_views import device_view
from controller.web.facts import facts_of
from controller.web.views import member_view
from tests.stories.world import World, profile

WORDS = f"speaks wire 1, this controller speaks {WIRE}: update the agent"


class OldAgent:
    """What an agent of release 0.1 says, who knows nothing of wires; it only listens."""

    def __init__(self, world: World, device: str, text: str) -> None:
        self.heard: list[LinkEvent] = []
        self._device, self._text = device, text
        self.link = world.broker.link(device)
        self.link.start(self._hear)

    def _hear(self, event: LinkEvent) -> None:
        self.heard.append(event)
        if isinstance(event, Connected):
            self._greet()

    def _greet(self) -> None:
        info = Info(device=self._device, agent_version="0.1", architecture="x", runtimes=["onnxruntime"],
                    profile=self._text)  # fmt: skip
        said = {key: value for key, value in msgspec.to_builtins(info).items() if key != "wire"}
        self.link.subscribe([topic(self._device, Leaf.DESIRED), topic(self._device, Leaf.ACK)])
        self.link.publish(topic(self._device, Leaf.STATUS), encode(Status(device=self._device, online=True, boot="b")))
        self.link.publish(topic(self._device, Leaf.INFO), json.dumps(said).encode(), retain=True)

    def measures(self, seq: int) -> None:
        window = Window(seq=seq, duration_s=2.0)
        told = Telemetry(device=self._device, boot="b", windows=[window])
        self.link.publish(topic(self._device, Leaf.TELEMETRY), encode(told))


def newest(world: World, device: str) -> Desired:
    with world.store.read() as tx:
        found = tx.latest_desired(device)
    assert found is not None
    return found


def signed(desired: Desired, world: World) -> Assignment:
    return verify(desired.envelope, world.key.public_key())


def finished(world: World, rollout: str) -> bool:
    return world.rollout(rollout).state is RolloutState.FINISHED


def test_an_agent_of_0_1_is_told_of_and_left_in_peace_until_it_is_updated(world: World) -> None:
    world.add_model()
    old = profile("a-old", "deadline: 200 ms")
    world.ask(RegisterDevice(old))
    agent = OldAgent(world, "a-old", old)
    world.run(1)
    world.add_device(profile("b-new", "deadline: 200 ms"))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert "1 refused" in world.rollout(rollout).reason
    assert world.assignments("a-old") == []
    placement = world.placement("a-old")
    assert placement is not None
    assert placement.reason == WORDS
    with world.store.read() as tx:
        facts = facts_of(tx, world.device("a-old"), world.presence("a-old"))
        shown = device_view(facts)
        member = member_view(tx.members(rollout)[0], facts, world.rollout(rollout))
    assert (shown["wire"], shown["wire_reason"], shown["reason"]) == (1, WORDS, WORDS)
    assert (member["standing"], member["reason"]) == ("refused", WORDS)
    agent.measures(1)
    world.run(1)
    assert world.windows("a-old") == [("b", 1)], "its telemetry goes on"
    agent.link.stop()
    updated = world.add_device(old, register=False)
    world.until(lambda: updated.running is not None)
    placement = world.placement("a-old")
    assert placement is not None
    assert placement.reason == ""
    assert [result for _, _, result in world.assignments("a-old")] == [Result.SUCCEEDED]


# --- a fleet that was updated -----------------------------------------------------------------------------------------


def as_0_1_left_it(world: World, device: SimDevice) -> Assignment:
    """The newest assignment as one of wire 1: in the database, and retained by the broker."""
    known = newest(world, device.id)
    wanted = signed(known, world)
    artifact = world.artifacts.read(known.sha256)
    old = msgspec.structs.replace(wanted, wire=1, manifest="", manifest_bytes=0, blocks=blocks.digests(artifact))
    envelope = sign(old, world.key)

    def write(tx: Tx) -> None:
        tx.put_desired(replace(known, envelope=envelope, manifest=None))
        tx.put_device(replace(world.device(device.id), wire=1))
        tx._connection.execute(delete(tables.manifests))

    world.put(write)
    world.broker.stop(forget=True)  # what it has queued is of wire 2
    world.broker.start()
    world.broker.retained[topic(device.id, Leaf.DESIRED)] = envelope
    return old


def cut_short(world: World) -> SimDevice:
    """A device that was assigned, and died before it heard of it."""
    world.add_model()
    device = world.add_device(profile("cam", "deadline: 200 ms"))
    world.run(2)
    device.kill()
    world.roll_out()
    world.until(lambda: bool(world.assignments("cam")))
    return device


def test_what_was_assigned_under_0_1_and_never_arrived_is_assigned_anew(world: World) -> None:
    device = cut_short(world)
    as_0_1_left_it(world, device)
    device.restart(world.now_s)
    world.until(lambda: device.running is not None)
    (first, _, _), (second, _, _) = world.assignments("cam")
    assert (first, second) == (1, 2)
    world.until(lambda: world.assignments("cam")[-1][2] == Result.SUCCEEDED)
    assert newest(world, "cam").manifest is not None
    assert newest(world, "cam").attempts == 1


def test_what_was_under_way_under_0_1_is_finished(world: World) -> None:
    device = cut_short(world)
    old = as_0_1_left_it(world, device)
    device.durable.record = Record(latest=old)
    for index, block in list(enumerate(blocks.cut(world.artifacts.read(old.sha256))))[1:]:
        device.durable.store(old.sha256, index * old.block_bytes, block)
    device.restart(world.now_s)
    world.until(lambda: device.running is not None)
    world.run(20)
    assert world.assignments("cam") == [(1, old.sha256, Result.SUCCEEDED)]


def test_what_runs_since_0_1_stays_and_a_device_that_lost_it_gets_it_again(world: World) -> None:
    world.add_model()
    device = world.add_device(profile("cam", "deadline: 200 ms"))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    device.kill()
    old = as_0_1_left_it(world, device)
    slot = device.durable.record.active
    assert slot is not None
    device.durable.record = msgspec.structs.replace(
        device.durable.record, latest=msgspec.structs.replace(old, blocks=[]),
        active=msgspec.structs.replace(slot, assignment=msgspec.structs.replace(old, blocks=[])),
    )  # fmt: skip
    device.durable.manifests.clear()
    device.restart(world.now_s)
    world.run(60)
    assert (device.running, len(world.assignments("cam"))) == (old.sha256, 1)
    device.kill()
    device.durable.record, device.durable.artifacts = Record(), {}
    device.restart(world.now_s)
    world.until(lambda: device.running is not None)
    world.until(lambda: newest(world, "cam").result == Result.SUCCEEDED)
    assert [seq for seq, _, _ in world.assignments("cam")] == [1, 2]


# --- manifests -------------------------------------------------------------------------------------------------------


def assigned(world: World) -> SimDevice:
    """A device that is just about to ask for a manifest."""
    device = cut_short(world)
    device.restart(world.now_s)
    return device


def forget_manifests(world: World) -> None:
    world.put(lambda tx: tx._connection.execute(delete(tables.manifests)))


def test_a_manifest_that_is_lost_is_made_again(world: World) -> None:
    device = assigned(world)
    forget_manifests(world)
    world.until(lambda: device.running is not None)
    assert len(world.assignments("cam")) == 1
    with world.store.read() as tx:
        assert tx.get_manifest(newest(world, "cam").manifest or "") is not None


def test_one_that_is_lost_behind_the_controllers_back_is_made_again_too(world: World) -> None:
    device = assigned(world)
    world.compares_memory = False
    with world.store.begin() as tx:
        tx._connection.execute(delete(tables.manifests))
    world.until(lambda: device.running is not None)
    assert len(world.assignments("cam")) == 1


def test_where_another_comes_out_the_next_assignment_names_it(world: World) -> None:
    device = assigned(world)
    forget_manifests(world)
    world.put(lambda tx: tx._connection.execute(update(tables.variants).values(golden_seed=7)))
    world.until(lambda: device.running is not None)
    world.until(lambda: newest(world, "cam").result == Result.SUCCEEDED)
    assert [result for _, _, result in world.assignments("cam")] == [Result.FAILED_NO_CHANGE, Result.SUCCEEDED]
    with world.store.read() as tx:
        assert tx.history("cam")[1].reason == "the manifest that it names is lost"


def test_where_the_artifact_is_gone_with_it_both_are_made_again(world: World) -> None:
    device = assigned(world)
    forget_manifests(world)
    world.artifacts.path(newest(world, "cam").sha256).unlink()
    world.until(lambda: device.running is not None)
    assert len(world.jobs.started) == 2


def test_a_manifest_of_many_blocks_comes_through_a_bad_link(world: World) -> None:
    world.jobs.spoilt = wordy
    device = assigned(world)
    world.broker.faults = Faults(random=random.Random(3), drop=0.2, duplicate=0.2, reorder=0.3)
    for _ in range(20):
        world.run(15)
        if device.running is not None:
            break
        world.broker.stop()  # a retained message that was lost comes again with the next connection
        world.broker.start()
    assert device.running is not None
    assert signed(newest(world, "cam"), world).manifest_bytes > 2 * blocks.BLOCK_BYTES


def wordy(variant: Variant) -> Variant:
    return replace(variant, golden_outputs=((1 / 3,) * 20_000,))


def test_one_manifest_serves_all_who_wait_for_the_artifact_and_survives_a_restart_of_the_controller(
    world: World,
) -> None:
    world.add_model()
    fleet = [world.add_device(profile(f"cam-{number}", "deadline: 200 ms")) for number in range(5)]
    rollout = world.roll_out()
    world.until(lambda: any(device.state.download for device in fleet))
    world.kill_controller()
    world.run(3)
    world.restart_controller()
    world.until(lambda: finished(world, rollout))
    with world.store.read() as tx:
        kept = tx._connection.execute(tables.manifests.select()).all()
    assert len(kept) == len({device.running for device in fleet}) == 1
    assert all(len(base64.b64decode(json.loads(newest(world, each.id).envelope)["payload"])) < 700 for each in fleet)


def test_a_need_of_somebody_else_makes_nothing(world: World) -> None:
    """Whoever writes the topic: an assignment ends only where the manifest that it names is lost."""
    device = assigned(world)
    world.until(lambda: device.running is not None)
    world.link.publish(
        topic("cam", Leaf.NEED), json.dumps({"device": "cam", "sha256": "e" * 64, "missing": "AQ=="}).encode()
    )
    world.run(5)
    assert len(world.assignments("cam")) == 1
    assert newest(world, "cam").result == Result.SUCCEEDED
