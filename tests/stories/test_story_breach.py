"""The loop itself: a breach is noticed, explained, answered with another variant, and followed to its outcome."""

from __future__ import annotations

from dataclasses import replace

from agent.wire.messages import Result
from controller.core.nouns.incident import BreachKind, IncidentState
from controller.core.nouns.rollout import RolloutState
from tests.stories.world import World, profile

THERMAL = (
    "power: {idle: 0.2 W, busy: 9.2 W}",
    "thermal: {limit: 43 C, guard: 1 C, ambient: 25 C, resistance: 30 C/W, time_constant: 5 s}",
)


def settled(world: World, rollout: str) -> None:
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED


def test_warmer_surroundings_lead_to_a_smaller_variant_and_a_cool_device(world: World) -> None:
    world.add_model()
    watch = world.add_device(profile("watch", *THERMAL))
    settled(world, world.roll_out())
    before = watch.running
    world.run(60)
    assert watch.condition.temperature_celsius < 42

    watch.ambient_celsius = 32.5
    world.until(lambda: bool(world.incidents("watch")))
    assert world.incidents("watch")[0].kind is BreachKind.TEMPERATURE
    world.until(lambda: world.incidents("watch")[0].closed_unix_s is not None)

    incident = world.incidents("watch")[0]
    assert incident.state is IncidentState.REPAIRED
    assert incident.diagnosis.startswith("hot: the surroundings are at 32.")
    assert incident.from_variant == before
    assert incident.to_variant == watch.running != before
    assert watch.condition.temperature_celsius < 42
    assert world.device("watch").calibration.ambient_celsius is not None


def test_surroundings_that_leave_no_power_end_the_incident_unrepaired_with_the_reason(world: World) -> None:
    world.add_model()
    watch = world.add_device(profile("watch", *THERMAL))
    settled(world, world.roll_out())
    watch.ambient_celsius = 38.0
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("watch")))
    incident = world.incidents("watch")[0]
    assert incident.state is IncidentState.UNREPAIRED
    assert "idle draw alone" in incident.outcome
    placement = world.placement("watch")
    assert placement is not None
    assert not placement.feasible


def test_a_device_that_slows_down_gets_a_faster_variant(world: World) -> None:
    world.add_model()
    camera = world.add_device(profile("camera", "deadline: 13 ms"))
    settled(world, world.roll_out())
    camera.slowness = 1.8
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("camera")))
    incident = world.incidents("camera")[0]
    assert incident.state is IncidentState.REPAIRED
    assert incident.diagnosis.startswith("slow:")
    load = camera.load(incident.to_variant or "")
    assert load is not None
    assert load.latency_s * 1.1 <= 0.013


def test_a_breach_that_passes_by_itself_changes_nothing(world: World) -> None:
    world.add_model()
    watch = world.add_device(profile("watch", *THERMAL))
    settled(world, world.roll_out())
    before = watch.running
    watch.ambient_celsius = 29.0
    world.run(2)  # one warm window is no breach
    watch.ambient_celsius = 25.0
    world.run(60)
    assert not world.incidents("watch")
    assert watch.running == before


def test_after_an_incident_the_device_is_left_alone_for_a_while(world: World) -> None:
    world.add_model()
    watch = world.add_device(profile("watch", *THERMAL))
    settled(world, world.roll_out())
    watch.ambient_celsius = 29.0
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("watch")))
    closed = world.incidents("watch")[0].closed_unix_s
    assert closed is not None
    watch.ambient_celsius = 33.0
    world.until(lambda: len(world.incidents("watch")) == 2)
    assert max(each.opened_unix_s for each in world.incidents("watch")) >= closed + world.policy.cooldown_s


def test_a_power_hungry_device_is_diagnosed_as_draining(world: World) -> None:
    world.add_model()
    patch = world.add_device(
        profile("patch", "power: {idle: 60 mW, busy: 4 W}", "battery: {capacity: 2 Wh, lifetime: 20 h}")
    )
    settled(world, world.roll_out())
    patch.body = replace(patch.body, busy_watts=6.0)
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("patch")))
    incident = world.incidents("patch")[0]
    assert incident.state is IncidentState.REPAIRED, incident
    assert incident.diagnosis.startswith("draining: it draws")
    assert world.results("patch")[-1] == Result.SUCCEEDED
