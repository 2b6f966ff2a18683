"""Which rollout owns a device, what becomes of it when that ends badly, and that whatever runs is watched."""

from __future__ import annotations

import pytest

from agent.wire.messages import Result
from controller.core.intents import AbortRollout, AcceptDevice, RegisterDevice, RevokeDevice
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.member import Standing
from controller.core.nouns.rollout import RolloutState
from controller.loop import daemon
from tests.stories.world import World, profile

DEADLINE = "deadline: 25 ms"


def ended(world: World, rollout: str) -> bool:
    return world.rollout(rollout).state is not RolloutState.RUNNING


def finished(world: World, selector: str = "", model: str = "watch@1") -> str:
    rollout = world.roll_out(selector, model)
    world.until(lambda: ended(world, rollout))
    assert world.rollout(rollout).state is RolloutState.FINISHED, world.rollout(rollout).reason
    return rollout


def of_site(device: str, site: str) -> str:
    return profile(device, DEADLINE, f"labels: {{site: {site}}}")


def owned_by(world: World, device: str) -> tuple[str, str | None] | None:
    owner = world.owner(device)
    return None if owner is None else (owner.rollout, owner.before)


@pytest.fixture
def two(world: World) -> World:
    """Five devices on which one model runs, and another model."""
    world.add_model()
    world.add_model("other")
    for number in range(5):
        world.add_device(profile(f"d{number}", DEADLINE))
    finished(world)
    return world


def test_an_abort_gives_no_device_back_and_whatever_runs_is_watched(two: World) -> None:
    newer = two.roll_out(model="other@1")
    two.until(lambda: two.told("d0").model == "other@1" and two.told("d0").result == Result.SUCCEEDED)
    two.ask(AbortRollout(newer))
    before = {device: two.assignments(device) for device in two.devices}
    two.run(60)
    assert {device: two.assignments(device) for device in two.devices} == before, "nothing goes out any more"
    assert {two.told(f"d{number}").model for number in range(1, 5)} == {"watch@1"}
    assert {owned_by(two, device) for device in two.devices} == {("r2", "r1")}
    assert two.standings(newer) == {"d0": "succeeded", "d1": "ready", "d2": "ready", "d3": "ready", "d4": "ready"}
    assert set(two.standings("r1").values()) == {"succeeded"}, "what ended there is kept"
    for device in ("d0", "d1"):
        two.devices[device].slowness = 4.0
    two.until(lambda: all(two.incidents(device) for device in ("d0", "d1")))
    two.until(lambda: all(two.incidents(device)[0].closed_unix_s for device in ("d0", "d1")))
    for device, model in (("d0", "other@1"), ("d1", "watch@1")):
        assert two.incidents(device)[0].state is IncidentState.REPAIRED
        told = two.told(device)
        assert (told.model, told.rollout, told.result) == (model, None, Result.SUCCEEDED)
        assert told.sha256 == two.devices[device].running != before[device][-1][1]


def test_after_an_abort_a_newer_rollout_takes_its_devices_with_its_waves(two: World) -> None:
    two.ask(AbortRollout(two.roll_out(model="other@1")))
    two.run(5)
    third = two.roll_out(model="other@1")
    two.until(lambda: two.told("d0").model == "other@1")
    assert {two.told(f"d{number}").model for number in range(1, 5)} == {"watch@1"}, "they wait for their wave"
    two.until(lambda: ended(two, third))
    assert {each.model for each in map(two.told, two.devices)} == {"other@1"}
    assert {owned_by(two, device) for device in two.devices} == {("r3", "r2")}
    members = two.members(third).values()
    assert {(each.device, each.wave) for each in members} == {("d0", 0), *((f"d{at}", 1) for at in range(1, 5))}
    assert set(two.standings("r2").values()) == {"left"}


def test_what_a_device_fell_back_to_in_a_rollout_that_failed_is_watched(two: World) -> None:
    (dense,) = (each for each in two.variants() if each.model == "other@1")
    running, costs = two.devices["d0"].running, two.costs.pop(dense.sha256)  # no runtime can load it
    newer = two.roll_out(model="other@1")
    two.until(lambda: ended(two, newer))
    assert two.rollout(newer).state is RolloutState.FAILED
    two.costs[dense.sha256] = costs
    two.run(30)
    assert two.devices["d0"].running == running
    assert (two.told("d0").model, two.told("d0").sha256, two.told("d0").result) == ("watch@1", running, "succeeded")
    assert two.standings(newer)["d0"] == "failed"
    two.devices["d0"].slowness = 4.0
    two.until(lambda: any(each.closed_unix_s for each in two.incidents("d0")))
    assert two.incidents("d0")[0].state is IncidentState.REPAIRED
    assert two.told("d0").model == "watch@1"


def test_so_is_what_one_fell_back_to_in_a_rollout_that_finished_without_it(two: World) -> None:
    device, whole = two.devices["d4"], two.costs.__getitem__
    running = device.running
    assert running is not None
    device.cost = {running: two.costs[running]}.__getitem__  # nothing else loads on it
    newer = finished(two, model="other@1")
    assert two.standings(newer)["d4"] == "failed"
    two.run(20)
    told = two.told("d4")
    assert (told.model, told.sha256, told.rollout, told.result) == ("watch@1", running, None, Result.SUCCEEDED)
    device.cost, device.slowness = whole, 4.0
    two.until(lambda: any(each.closed_unix_s for each in two.incidents("d4")))
    assert two.incidents("d4")[0].state is IncidentState.REPAIRED
    assert (two.told("d4").model, two.standings(newer)["d4"]) == ("watch@1", "failed")
    third = two.roll_out(model="other@1")
    two.until(lambda: ended(two, third))
    assert (two.told("d4").model, two.standings(third)["d4"]) == ("other@1", "succeeded")


def test_a_newer_rollout_takes_members_from_one_that_runs_and_both_come_to_their_ends(two: World) -> None:
    second = two.roll_out(model="other@1")
    two.until(lambda: two.told("d0").model == "other@1")
    two.ask(RegisterDevice(profile("d3", DEADLINE, "labels: {site: north}")))
    third = two.roll_out("site=north")
    two.run(1)
    assert two.members(second)["d3"].reason == f"it joined {third}"
    two.until(lambda: ended(two, second) and ended(two, third))
    assert two.rollout(second).reason == "4 succeeded"
    assert two.standings(third) == {"d3": "succeeded"}
    assert {two.told(device).model for device in ("d0", "d1", "d2", "d4")} == {"other@1"}
    assert two.told("d3").model == "watch@1"


def test_labels_move_a_device_to_where_it_belongs(world: World) -> None:
    world.add_model()
    world.add_model("other")
    mover = world.add_device(of_site("mover", "north"))
    world.add_device(of_site("stayer", "south"))
    finished(world, "site=south")
    finished(world, "site=north", "other@1")
    assert (owned_by(world, "mover"), world.told("mover").model) == (("r2", None), "other@1")
    world.ask(RegisterDevice(of_site("mover", "west")))
    before = world.assignments("mover")
    world.run(30)
    assert world.assignments("mover") == before, "nobody else's: it keeps what it runs"
    assert owned_by(world, "mover") == ("r2", None)
    mover.slowness = 4.0
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("mover")))
    assert (world.incidents("mover")[0].state, world.told("mover").model) == (IncidentState.REPAIRED, "other@1")
    world.ask(RegisterDevice(of_site("mover", "south")))
    world.until(lambda: world.told("mover").model == "watch@1" and world.told("mover").result is not None)
    assert owned_by(world, "mover") == ("r1", "r2")
    world.until(lambda: world.standings("r1")["mover"] == "succeeded")


def test_who_is_revoked_is_counted_no_longer_and_comes_back_where_it_was(two: World) -> None:
    newer = two.roll_out(model="other@1")
    two.until(lambda: two.told("d0").model == "other@1")
    two.ask(RevokeDevice("d4"))
    two.run(1)
    left = two.members(newer)["d4"]
    assert (left.standing, left.reason) == (Standing.LEFT, "it is revoked")
    two.until(lambda: ended(two, newer))
    assert two.rollout(newer).reason == "4 succeeded"
    two.ask(AcceptDevice("d4"))
    two.until(lambda: two.told("d4").model == "other@1" and two.told("d4").result == Result.SUCCEEDED)
    assert owned_by(two, "d4") == ("r2", "r1")


def test_a_restart_amid_the_slices_of_a_start_loses_no_device_and_lets_nobody_go_too_early(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "deciding_s", lambda *_: -1.0)  # a turn sees one device
    world.add_model()
    for number in range(10):
        world.add_device(profile(f"d{number}", DEADLINE))
    world.run(10)
    rollout = world.roll_out()
    world.until(lambda: 3 <= len(world.members(rollout)) < 8)
    world.kill_controller()
    world.run(3)
    world.restart_controller()
    world.until(lambda: len(world.members(rollout)) == 10)
    world.until(lambda: not world.daemon._watch.busy)
    assert sum(each.wave is not None for each in world.members(rollout).values()) == 2
    world.until(lambda: ended(world, rollout))
    assert world.rollout(rollout).reason == "10 succeeded"
    assert [each.wave for each in world.members(rollout).values()].count(0) == 2


def test_an_end_wakes_those_whom_it_concerns_and_nobody_else(world: World) -> None:
    world.add_model()
    for site in ("north", "south"):
        world.add_device(of_site(site, site))
    world.run(5)
    assert not world.daemon._watch.busy
    looked = list[str]()
    take = world.daemon._watch.take

    def taken() -> str | None:
        device = take()
        looked.extend([] if device is None else [device])
        return device

    world.daemon._watch.take = taken  # type: ignore[method-assign]
    for device in world.devices.values():
        device.kill()
    world.run(1)
    looked.clear()
    rollout = world.roll_out("site=north")
    world.run(1)
    world.ask(AbortRollout(rollout))
    world.run(1)
    assert set(looked) == {"north"}
