"""One request about many devices: killed in the middle, asked twice, with devices that are gone, beside all else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy.exc import DataError

from agent.link import Arrived
from agent.wire.messages import Event, encode
from agent.wire.profile import parse_profile
from agent.wire.topics import Leaf, topic
from controller.core.intents import AcceptDevice, AddToBulk, AskBulk, ForgetDevice, IntentError, StartBulk
from controller.core.nouns.bulk import Bulk, BulkFailure, BulkKind, BulkState, Declared
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.rollout import RolloutState
from controller.core.policy import Policy
from controller.loop import bulks
from controller.store.devices import DeviceRows
from controller.store.tables import devices
from tests.stories.test_story_unwritable import kinds, refuse_messages, said, unwritable
from tests.stories.world import World, profile

ACCEPT = AskBulk(BulkKind.ACCEPT, "once", "site=north")


@pytest.fixture(autouse=True)
def _a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulks, "_MOST", 4)


def pending(name: str, site: str, state: DeviceState = DeviceState.PENDING) -> Device:
    text = f"device: {name}\nlabels: {{site: {site}}}\n"
    read = parse_profile(text)
    return Device(id=name, state=state, profile=read, profile_text=text, labels=read.labels)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Twenty that are pending, every other one in the north; one there was shut out."""
    world = World(tmp_path, Policy())
    news = [pending(f"d{at:02}", "north" if at % 2 else "south") for at in range(20)]
    world.put(lambda tx: tx.put_devices([*news, pending("out", "north", DeviceState.REVOKED)]))
    return world


def bulk(world: World, name: str = "b1") -> Bulk:
    with world.store.read() as tx:
        return tx.bulks_among([name])[name]


def failures(world: World, name: str = "b1") -> list[BulkFailure]:
    with world.store.read() as tx:
        return tx.bulk_failures(name, -1, 1000)


def done(world: World, name: str = "b1") -> bool:
    return bulk(world, name).state is BulkState.DONE


def states(world: World) -> dict[str, DeviceState]:
    with world.store.read() as tx:
        return {each.id: each.state for each in tx.devices()}


def accepted(world: World) -> set[str]:
    return {name for name, state in states(world).items() if state is DeviceState.ACCEPTED}


NORTH = {f"d{at:02}" for at in range(1, 20, 2)}


def upload(world: World, kind: BulkKind, items: Iterable[str | Declared], token: str = "once") -> str:
    name = world.ask(AskBulk(kind, token))
    world.ask(AddToBulk(name, bulk(world, name).total, (*items,)))
    return world.ask(StartBulk(name))


def test_those_that_matched_when_it_was_asked_for_are_accepted_and_nobody_else(world: World) -> None:
    assert world.ask(ACCEPT) == "b1"
    asked = bulk(world)
    assert (asked.total, asked.cursor, asked.state) == (10, 0, BulkState.RUNNING)
    world.put(lambda tx: tx.put_device(pending("late", "north")))
    world.until(lambda: done(world))
    ended = bulk(world)
    assert (ended.done, ended.failed, ended.cursor) == (10, 0, 10)
    assert ended.finished_unix_s is not None
    assert accepted(world) == NORTH, "neither who came later, nor who was shut out"
    with world.store.read() as tx:
        assert tx.bulk_items("b1", 0) == (0, []), "what is done is not kept"


def test_each_turn_does_a_part_of_it_and_who_asks_meanwhile_is_answered_in_between(world: World) -> None:
    world.ask(ACCEPT)
    seen = []
    for _ in range(4):
        world.tick()
        seen.append(bulk(world).cursor)
        world.ask(AcceptDevice("d00")) if len(seen) == 1 else None
    assert seen == [4, 10, 10, 10], "the intent was a turn too"
    assert "d00" in accepted(world)


@pytest.mark.parametrize("turns", range(4))
def test_killed_in_the_middle_it_goes_on_where_it_was(world: World, turns: int) -> None:
    world.ask(ACCEPT)
    for _ in range(turns):
        world.tick()
    before = bulk(world)
    world.kill_controller()
    world.restart_controller()
    assert bulk(world) == before
    world.until(lambda: done(world))
    assert (bulk(world).done, bulk(world).failed) == (10, 0)
    assert accepted(world) == NORTH


def test_killed_again_and_again_each_is_counted_once(world: World) -> None:
    world.ask(AskBulk(BulkKind.ACCEPT, "all", ""))
    while not done(world):
        world.tick()
        world.kill_controller()
        world.restart_controller()
    assert (bulk(world).total, bulk(world).done, bulk(world).failed) == (20, 20, 0)


def test_the_same_token_is_the_same_request_before_and_after_its_end_and_after_a_restart(world: World) -> None:
    assert world.ask(ACCEPT) == world.ask(ACCEPT) == "b1"
    world.until(lambda: done(world))
    ended = bulk(world)
    world.put(lambda tx: tx.put_device(pending("late", "north")))
    world.kill_controller()
    world.restart_controller()
    assert world.ask(ACCEPT) == "b1"
    world.run(2)
    assert bulk(world) == ended
    assert "late" not in accepted(world)
    with pytest.raises(IntentError, match="asks for something else") as refused:
        world.ask(AskBulk(BulkKind.REVOKE, "once", "site=north"))
    assert refused.value.status == 409
    assert world.ask(AskBulk(BulkKind.ACCEPT, "again", "site=north")) == "b2"
    world.until(lambda: done(world, "b2"))
    assert (bulk(world, "b2").total, "late" in accepted(world)) == (1, True)


def test_devices_that_are_gone_meanwhile_are_listed_and_stop_nothing(world: World) -> None:
    world.ask(ACCEPT)
    world.tick()
    world.ask(ForgetDevice("d01"))
    world.ask(ForgetDevice("d19"))
    world.until(lambda: done(world))
    assert (bulk(world).done, bulk(world).failed) == (9, 1), "the first was accepted before it was gone"
    (failed,) = failures(world)
    assert (failed.device, failed.position, "not known" in failed.reason) == ("d19", 9, True)
    assert accepted(world) == NORTH - {"d01", "d19"}


def test_while_nothing_can_be_written_it_waits_and_then_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ask(ACCEPT)
    world.tick()
    with unwritable(world, monkeypatch):
        world.run(10)
        with pytest.raises(IntentError, match="nothing was changed"):
            world.ask(AskBulk(BulkKind.ACCEPT, "another", ""))
        assert bulk(world).cursor == 4
    world.until(lambda: done(world), limit_s=5)
    assert (bulk(world).done, bulk(world).failed) == (10, 0)


def refuse_device(patch: pytest.MonkeyPatch, name: str) -> None:
    put = DeviceRows.put_devices

    def refusing(rows: DeviceRows, changed: Iterable[Device]) -> None:
        changed = [*changed]
        if any(each.id == name for each in changed):
            raise DataError("INSERT", {}, Exception("out of range"))
        put(rows, changed)

    patch.setattr(DeviceRows, "put_devices", refusing)


@pytest.mark.parametrize("poison", ["d01", "d07", "d13", "d19"])
def test_one_that_the_database_refuses_is_listed_and_all_others_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    refuse_device(monkeypatch, poison)
    world.ask(ACCEPT)
    for at in range(3):
        event = Event(device="d00", boot="b", kind=f"k{at}", message="")
        world.daemon.turn([Arrived(topic("d00", Leaf.EVENT), encode(event))])
    world.until(lambda: done(world), limit_s=30)
    assert (bulk(world).done, bulk(world).failed) == (9, 1)
    (failed,) = failures(world)
    assert (failed.device, "out of range" in failed.reason) == (poison, True)
    assert accepted(world) == NORTH - {poison}
    with world.store.read() as tx:
        assert sorted(each.kind for each in tx.events("d00")) == ["k0", "k1", "k2"], "nothing else was refused"
    assert world.dead_letters() == []
    assert world.daemon.troubles == []


@pytest.mark.parametrize("device", ["d00", "d01"])
def test_the_only_item_of_a_turn_is_not_blamed_for_a_bad_message(
    world: World, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    refuse_messages(monkeypatch)
    upload(world, BulkKind.ACCEPT, ["d01"])
    world.daemon.turn([said(device, "poison")])
    world.until(lambda: done(world))
    assert failures(world) == []
    assert accepted(world) == {"d01"}
    assert ["no such kind" in each.reason for each in world.dead_letters()] == [True]


@pytest.mark.parametrize("poison", ["d01", "d07", "d19", "nobody"])
def test_beside_bad_messages_in_every_turn_each_is_blamed_for_what_is_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    refuse_messages(monkeypatch)
    refuse_device(monkeypatch, poison)
    world.ask(ACCEPT)
    for at in range(12):
        world.daemon.turn([said("d00", f"k{at}"), said("d00", "poison"), said("d02", f"k{at}")])
    world.until(lambda: done(world), limit_s=30)
    assert [each.device for each in failures(world)] == [poison] * (poison != "nobody")
    assert all("out of range" in each.reason for each in failures(world))
    assert accepted(world) == NORTH - {poison}
    assert ["no such kind" in each.reason for each in world.dead_letters()] == [True] * 12
    assert sorted(kinds(world, "d00")) == sorted(kinds(world, "d02")) == sorted(f"k{at}" for at in range(12))
    assert world.daemon.degraded == ""


def test_a_rollout_that_runs_takes_in_those_that_are_accepted_meanwhile(tmp_path: Path) -> None:
    world = World(tmp_path, Policy(soak_s=6))
    world.add_model()
    cams = [world.add_device(profile(f"cam-{at}"), register=False) for at in range(6)]
    first = world.add_device(profile("first"))
    world.run(2)
    rollout = world.roll_out()
    world.run(2)
    assert world.ask(AskBulk(BulkKind.ACCEPT, "all", "")) == "b1"
    world.until(lambda: done(world))
    world.until(lambda: all(each.running for each in [*cams, first]))
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED)
    assert {len(world.assignments(each.id)) for each in cams} == {1}, "one assignment each"


def test_revoking_and_recalibrating_many(world: World) -> None:
    learned = Calibration(slowness=3.0, slowness_samples=2)
    world.ask(AcceptDevice("d01"))
    world.put(lambda tx: tx._connection.execute(devices.update().values(calibration={"slowness": 3.0})))
    assert world.device("d01").calibration.slowness == learned.slowness
    world.ask(AskBulk(BulkKind.RECALIBRATE, "forget", "site=north"))
    world.ask(AskBulk(BulkKind.REVOKE, "shut", "site=north"))
    world.until(lambda: done(world, "b1") and done(world, "b2"))
    assert bulk(world, "b1").total == 11
    assert world.device("d01").calibration == Calibration()
    assert world.device("d00").calibration.slowness == 3.0
    assert {name for name, state in states(world).items() if state is DeviceState.REVOKED} == {*NORTH, "out"}


def test_registering_many_tells_of_each_that_cannot_be_and_takes_the_others(world: World) -> None:
    texts = [f"device: new-{at}\nclass: camera\n" for at in range(6)]
    good = [Declared(f"{at}.yaml", text, parse_profile(text)) for at, text in enumerate(texts)]
    bad = Declared("bad.yaml", reason="bad.yaml:2: memory.total: no quantity")
    upload(world, BulkKind.REGISTER, [*good[:3], bad, *good[3:]])
    world.until(lambda: done(world))
    assert (bulk(world).done, bulk(world).failed) == (6, 1)
    assert failures(world) == [BulkFailure("b1", 3, "bad.yaml", bad.reason)]
    assert accepted(world) == {f"new-{at}" for at in range(6)}
    assert world.device("new-5").device_class == "camera"


def test_an_upload_that_ended_early_goes_on_and_nothing_is_taken_twice(world: World) -> None:
    name = world.ask(AskBulk(BulkKind.ACCEPT, "once"))
    world.ask(AddToBulk(name, 0, ("d00", "d01")))
    world.run(2)
    assert (bulk(world).state, bulk(world).cursor) == (BulkState.UPLOADING, 0), "not before all of it is there"
    world.kill_controller()
    world.restart_controller()
    assert world.ask(AskBulk(BulkKind.ACCEPT, "once")) == name
    world.ask(AddToBulk(name, 1, ("d01", "d02")))
    assert bulk(world).total == 3
    with pytest.raises(IntentError, match="the next is 3, not 5"):
        world.ask(AddToBulk(name, 5, ("d09",)))
    world.ask(StartBulk(name))
    world.ask(StartBulk(name))
    world.until(lambda: done(world))
    assert accepted(world) == {"d00", "d01", "d02"}
    with pytest.raises(IntentError, match="nothing can be added"):
        world.ask(AddToBulk(name, 3, ("d09",)))


def test_one_that_nothing_matches_is_done_at_once(world: World) -> None:
    world.ask(AskBulk(BulkKind.ACCEPT, "none", "site=nowhere"))
    assert (bulk(world).state, bulk(world).total) == (BulkState.DONE, 0)


@pytest.mark.parametrize(
    ("intent", "status", "words"),
    [
        (AskBulk(BulkKind.REVOKE, "t", ""), 400, "say which"),
        (AskBulk(BulkKind.REGISTER, "t", "site=north"), 400, "takes profiles"),
        (AskBulk(BulkKind.ACCEPT, "", "site=north"), 400, "token"),
        (AskBulk(BulkKind.ACCEPT, "t", "north"), 400, "KEY=VALUE"),
        (AddToBulk("b9", 0, ("d00",)), 404, "no bulk"),
        (StartBulk("b9"), 404, "no bulk"),
    ],
)
def test_nonsense_is_refused(world: World, intent: AskBulk | AddToBulk | StartBulk, status: int, words: str) -> None:
    with pytest.raises(IntentError, match=words) as refused:
        world.ask(intent)
    assert refused.value.status == status
    with world.store.read() as tx:
        assert tx.bulks() == []


def test_ids_where_profiles_belong_are_refused(world: World) -> None:
    name = world.ask(AskBulk(BulkKind.REGISTER, "t"))
    with pytest.raises(IntentError, match="takes profiles"):
        world.ask(AddToBulk(name, 0, ("d00",)))
