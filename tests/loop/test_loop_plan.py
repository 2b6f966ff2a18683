"""A plan says what the loop would decide, from what the loop goes by, and has no turn wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from controller.core.intents import ForgetDevice, IntentError
from controller.core.nouns.job import JobKind, JobState
from controller.core.place import same
from controller.core.policy import Policy
from controller.core.selector import Selector, parse_selector
from controller.loop import plan
from controller.loop.fleet import Fleet
from controller.loop.plan import Plan, planned
from controller.pruning.job import JobResult
from tests.stories.world import World, profile

T = TypeVar("T")
DEADLINES = {"a": "200 ms", "b": "6 ms", "c": "7 ms", "d": "0.1 ms", "e": "3 ms"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, Policy(soak_s=2, retry_s=1, attempts=2))
    world.add_model()
    for name, deadline in DEADLINES.items():
        world.add_device(profile(name, f"deadline: {deadline}"))
    world.run(2)
    return world


def ask(world: World, wanted: Selector, between: Callable[[], object] = lambda: None) -> Plan:
    def look(of: Callable[[Fleet], T]) -> T:
        found = of(world.daemon._fleet)
        between()
        return found

    return planned(look, "watch@1", wanted, world.policy.attempts, world.now_s)


@pytest.mark.parametrize("fails", [False, True])
def test_it_says_what_a_rollout_then_decides(world: World, fails: bool) -> None:
    """Also once some prunes were made, were infeasible, or have failed as often as they may."""
    failed = JobResult(state=JobState.FAILED, detail="out of memory", retry=True)
    world.jobs.answers = lambda job: failed if fails and job.kind is JobKind.PRUNE else None
    world.roll_out()
    world.run(100)
    told = {device.id: placement for device, placement in ask(world, Selector()).rows}
    assert {each.sha256 is None for each in told.values()} == {True, False}
    rollout = world.roll_out()
    world.run(2)
    for name in DEADLINES:
        decided = world.placement(name)
        assert decided is not None
        assert same(decided, replace(told[name], rollout=rollout)), name


def test_of_those_that_match_in_order_and_without_the_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(world.store, "_engine")
    assert [device.id for device, _ in ask(world, Selector()).rows] == [*DEADLINES]
    assert [device.id for device, _ in ask(world, parse_selector("id=b")).rows] == ["b"]
    with pytest.raises(IntentError, match="'other@1' is not known") as refused:
        planned(lambda of: of(world.daemon._fleet), "other@1", Selector(), 3, 0.0)
    assert refused.value.status == 404


def test_no_look_sees_more_than_a_part_of_a_large_fleet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_TOGETHER", 2)
    looks = list[None]()
    assert len(ask(world, Selector(), lambda: looks.append(None)).rows) == 5
    assert len(looks) == 2 + 3, "the model, the names, and the devices two at a time"


def test_who_is_forgotten_meanwhile_is_left_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_TOGETHER", 2)
    going = ["", "d", "a"]  # after the model, the names, the first two devices

    def forget() -> None:
        name = going.pop(0) if going else ""
        if name:
            world.ask(ForgetDevice(name))

    assert [device.id for device, _ in ask(world, Selector(), forget).rows] == ["a", "b", "c", "e"]
