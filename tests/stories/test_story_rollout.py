"""Rollouts: every device the variant of its own budget, canary first, late joiners, refusals, failures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.wire.messages import Result
from controller.core.intents import IntentError, RegisterDevice
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.device import DeviceState
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.variant import Variant
from controller.loop import daemon
from tests.stories.world import World, profile

ROOMY = ("deadline: 200 ms",)
QUICK = ("deadline: 6 ms",)
SLIM = ("memory: {model: 3 MiB}",)


def variant_of(world: World, device: str) -> Variant:
    running = world.devices[device].running
    return next(each for each in world.variants() if each.sha256 == running)


def finished(world: World, rollout: str) -> bool:
    return world.rollout(rollout).state is not RolloutState.RUNNING


def test_each_device_runs_the_variant_of_its_own_budget(world: World) -> None:
    world.add_model()
    for device, lines in (("a-roomy", ROOMY), ("b-quick", QUICK), ("c-slim", SLIM)):
        world.add_device(profile(device, *lines))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))

    assert world.rollout(rollout).state is RolloutState.FINISHED
    assert variant_of(world, "a-roomy").dense
    assert variant_of(world, "b-quick").latency_p95_s <= 0.006
    assert variant_of(world, "c-slim").ram_bytes <= 3 * 2**20
    assert [world.placement(each).binding for each in sorted(world.devices)] == [  # type: ignore[union-attr]
        Constraint.NONE, Constraint.DEADLINE, Constraint.RAM_MODEL,
    ]  # fmt: skip


def test_a_dense_model_below_its_floor_is_not_rolled_out(world: World) -> None:
    world.jobs.spoilt = lambda variant: replace(variant, accuracy=0.8432)
    world.add_model()
    device = world.add_device(profile("roomy", *ROOMY))
    with pytest.raises(IntentError, match=r"84\.32 % accuracy, the floor is 85 %.* a floor of 84\.3 %") as refused:
        world.roll_out()
    assert refused.value.status == 409
    world.run(10)
    assert device.running is None


def test_equal_envelopes_share_one_prune(world: World) -> None:
    world.add_model()
    for number in range(6):
        world.add_device(profile(f"quick-{number}", *QUICK))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert len({device.running for device in world.devices.values()}) == 1
    assert len(world.jobs.started) == 2  # the dense model and one prune


def test_the_canary_goes_before_the_others(world: World) -> None:
    world.add_model()
    for number in range(5):
        world.add_device(profile(f"roomy-{number}", *ROOMY))
    world.roll_out()
    world.until(lambda: world.devices["roomy-0"].running is not None)
    world.run(2)
    assert [device.running for device in world.devices.values()].count(None) == 4
    world.until(lambda: all(device.running for device in world.devices.values()))


def test_a_failing_canary_stops_the_rollout(world: World) -> None:
    """Its golden outputs are wrong on the device: no other device ever sees the artifact."""
    world.add_model()
    for number in range(5):
        world.add_device(profile(f"roomy-{number}", *ROOMY))
    world.costs.clear()  # no runtime can load it
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert world.rollout(rollout).state is RolloutState.FAILED
    assert world.results("roomy-0") == [Result.REJECTED]
    assert all(not world.results(f"roomy-{number}") for number in range(1, 5))


def test_a_silent_device_fails_its_wave(world: World) -> None:
    world.add_model()
    for number in range(2):
        world.add_device(profile(f"roomy-{number}", *ROOMY))
    world.run(2)
    world.devices["roomy-0"].kill()
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout), limit_s=1000)
    assert world.rollout(rollout).state is RolloutState.FAILED
    assert "roomy-0" in world.rollout(rollout).reason


def test_a_late_joiner_enters_the_finished_rollout(world: World) -> None:
    world.add_model()
    world.add_device(profile("first", *ROOMY))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    late = world.add_device(profile("late", *QUICK))
    world.until(lambda: late.running is not None)
    assert variant_of(world, "late").latency_p95_s <= 0.006


def test_an_announced_device_waits_until_it_is_accepted(world: World) -> None:
    world.add_model()
    world.roll_out()
    stranger = world.add_device(profile("stranger", *ROOMY), register=False)
    world.run(30)
    assert world.device("stranger").state is DeviceState.PENDING
    assert stranger.running is None
    world.accept("stranger")
    world.until(lambda: stranger.running is not None)


def test_an_infeasible_device_is_refused_with_what_would_do_and_blocks_nobody(world: World) -> None:
    world.add_model()
    hot = ("power: {idle: 1 W, busy: 2 W}", "thermal: {limit: 40 C, ambient: 25 C, resistance: 20 C/W}")
    tiny = ("deadline: 0.5 ms",)
    world.add_device(profile("a-hot", *hot))
    world.add_device(profile("b-tiny", *tiny))
    world.add_device(profile("c-roomy", *ROOMY))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert world.rollout(rollout).state is RolloutState.FINISHED
    for device, binding in (("a-hot", Constraint.THERMAL), ("b-tiny", Constraint.DEADLINE)):
        placement = world.placement(device)
        assert placement is not None
        assert not placement.feasible
        assert placement.binding is binding
        assert placement.relaxations
        assert world.results(device) == []
    assert world.devices["c-roomy"].running is not None


def test_a_device_slower_than_declared_fails_its_trial_and_gets_a_smaller_variant(world: World) -> None:
    world.add_model()
    slow = world.add_device(profile("slow", "deadline: 12.5 ms"), slowness=2.0)
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert world.results("slow") == [Result.REJECTED, Result.SUCCEEDED]
    assert slow.running is not None
    assert variant_of(world, "slow").latency_p95_s * 2.0 <= 0.0125
    assert world.device("slow").calibration.slowness == pytest.approx(2.0, rel=0.06)


def test_a_variant_that_needs_more_ram_on_the_device_is_replaced(world: World) -> None:
    world.add_model()
    device = world.add_device(profile("greedy", *SLIM))
    device.ram_extra_bytes = 512 * 1024
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert world.results("greedy") == [Result.REJECTED, Result.SUCCEEDED]
    assert variant_of(world, "greedy").ram_bytes + device.ram_extra_bytes <= 3 * 2**20


def test_hopeless_trials_end(world: World) -> None:
    """A device that gets slower with every trial is given up after a few, not pruned for ever."""
    world.add_model()
    device = world.add_device(profile("fading", *QUICK))
    spoilt = world.jobs.spoilt

    def slower(variant: Variant) -> Variant:
        device.slowness *= 1.5
        return spoilt(replace(variant))

    world.jobs.spoilt = slower
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    assert world.rollout(rollout).state is RolloutState.FAILED
    assert len(world.results("fading")) == world.policy.attempts


def test_a_rollout_in_which_nobody_is_feasible_has_failed_and_goes_to_nobody_later(world: World) -> None:
    world.add_model()
    world.add_device(profile("a-tiny", "deadline: 0.5 ms"))
    rollout = world.roll_out()
    world.until(lambda: finished(world, rollout))
    ended = world.rollout(rollout)
    assert (ended.state, ended.reason) == (RolloutState.FAILED, "no device succeeded: 1 infeasible")
    world.ask(RegisterDevice(profile("a-tiny", *ROOMY)))
    world.run(30)
    assert world.devices["a-tiny"].running is None
    world.roll_out()
    world.until(lambda: world.devices["a-tiny"].running is not None)


def test_a_turn_that_has_time_for_one_device_gets_there_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a fleet of which a turn sees a part: nothing that was to be done next is forgotten between two turns."""
    monkeypatch.setattr(daemon, "deciding_s", lambda *_: -1.0)
    world.add_model()
    for device, deadline in (("a", "200 ms"), ("b", "6 ms"), ("c", "7 ms"), ("d", "200 ms")):
        world.add_device(profile(device, f"deadline: {deadline}"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED, world.rollout(rollout).reason
    assert {device.running is not None for device in world.devices.values()} == {True}
