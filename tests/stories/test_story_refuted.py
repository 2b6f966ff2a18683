"""What was learned in error, or is over, comes down again by itself; what is so at noon is not forgotten at night."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.sensed import Reading
from agent.simulate.device import SimDevice
from controller.core.intents import RecalibrateDevice
from controller.core.nouns.incident import IncidentState
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from tests.stories.world import DENSE, World, profile

DAY_S = 100.0
POLICY = Policy(
    soak_s=6, retry_s=5, resend_s=5, cooldown_s=20, repair_deadline_s=300, refute_s=DAY_S, incidents_a_day=1000
)
BOARD = (
    "power: {idle: 2.7 W, busy: 6 W}",
    "thermal: {limit: 80 C, ambient: 23.4 C, resistance: 8 C/W}",
)
WATCH = (
    "power: {idle: 0.2 W, busy: 9.2 W}",
    "thermal: {limit: 43 C, guard: 1 C, ambient: 25 C, resistance: 30 C/W, time_constant: 5 s}",
)


def told_apart(variant: Variant) -> Variant:
    """The larger a variant, the better, beyond doubt: where two fit, the larger one goes out."""
    accuracy = variant.accuracy or 0.0
    parameters = int(DENSE.parameters * variant.latency_p95_s / DENSE.latency_p95_s)
    return replace(variant, parameters=parameters, accuracy_low=accuracy - 1e-4, accuracy_high=accuracy + 1e-4)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, POLICY)
    made.jobs.seconds = 4.0
    made.jobs.spoilt = told_apart
    made.add_model()
    yield made
    made.store.close()


def served(world: World, device: str, *lines: str) -> SimDevice:
    made = world.add_device(profile(device, *lines))
    made.body = replace(made.body, time_constant_s=5.0)  # as declared, or settled before anybody looks
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    return made


def runs(world: World, device: SimDevice) -> Variant:
    world.until(lambda: device.running is not None)
    return next(each for each in world.variants() if each.sha256 == device.running)


def lie(device: SimDevice, celsius: float | None) -> None:
    """The sensor reads that, whatever the temperature is; None ends it."""
    if celsius is None:
        del device._read  # type: ignore[method-assign]
        return
    honest = type(device)._read

    def read(duty: float) -> Reading:
        return replace(honest(device, duty), temperature_celsius=celsius)

    device._read = read  # type: ignore[method-assign]


def three_hot_windows(world: World, device: SimDevice) -> None:
    seen = len(world.incidents(device.id))
    lie(device, 85.0)
    world.until(lambda: len(world.incidents(device.id)) > seen)
    lie(device, None)
    world.until(lambda: all(each.closed_unix_s for each in world.incidents(device.id)))


def feasible(world: World, device: str) -> bool:
    placement = world.placement(device)
    assert placement is not None
    return placement.feasible


def test_a_sensor_that_lied_for_three_windows_leaves_nothing_behind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hedgerow.perform")
    board = served(world, "board", *BOARD)
    before = board.running
    three_hot_windows(world, board)
    (incident,) = world.incidents("board")
    assert incident.state is IncidentState.UNREPAIRED
    assert incident.diagnosis.startswith("hot: the surroundings are at 6")
    assert not feasible(world, "board")

    world.until(lambda: feasible(world, "board"), limit_s=20)
    calibration = world.device("board").calibration
    assert (calibration.ambient_celsius or 23.4) == pytest.approx(23.4, abs=0.5), "45 C at 2.7 W are no 63 C around it"
    learned = calibration.learned["ambient_celsius"]
    assert learned.by == "windows"
    assert learned.refuted == pytest.approx(62.6, abs=1)
    assert "by='windows' ambient_celsius=62." in caplog.text
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is RolloutState.FINISHED, limit_s=60)
    world.run(100)
    assert len(world.incidents("board")) == 1
    assert board.running == before


def test_a_sensor_that_lies_again_is_believed_for_longer(world: World) -> None:
    board = served(world, "board", *BOARD)
    three_hot_windows(world, board)
    world.until(lambda: feasible(world, "board"), limit_s=20)
    world.run(POLICY.cooldown_s)
    three_hot_windows(world, board)
    assert not feasible(world, "board")
    world.run(2 * DAY_S - 20)
    assert not feasible(world, "board")
    world.until(lambda: feasible(world, "board"), limit_s=60)


def test_in_the_meantime_a_rollout_fails_and_says_so_and_recalibration_mends_it(world: World) -> None:
    board = served(world, "board", *BOARD)
    lie(board, 85.0)
    world.until(lambda: bool(world.incidents("board")) and not feasible(world, "board"))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING, limit_s=60)
    assert world.rollout(rollout).reason == "no device succeeded: 1 infeasible"
    lie(board, None)
    world.ask(RecalibrateDevice("board"))
    assert world.device("board").calibration.learned == {}
    world.until(lambda: feasible(world, "board"), limit_s=5)


def test_noon_is_not_forgotten_at_night(world: World) -> None:
    watch = served(world, "watch", *WATCH)
    watch.ambient_celsius = 32.5
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("watch")))
    cool = watch.running
    for _ in range(3):
        watch.ambient_celsius = 20.0
        world.run(0.6 * DAY_S, 1.0)
        watch.ambient_celsius = 32.5
        world.run(0.4 * DAY_S, 1.0)
        assert watch.running == cool
    assert len(world.incidents("watch")) == 1


def test_when_the_summer_is_over_the_device_is_fitted_to_cooler_surroundings(world: World) -> None:
    watch = served(world, "watch", *WATCH)
    before_s = latency_cap_s(world, "watch")
    watch.ambient_celsius = 32.5
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("watch")))
    assert latency_cap_s(world, "watch") < 0.4 * before_s
    watch.ambient_celsius = 25.0
    world.run(0.9 * DAY_S, 1.0)
    assert latency_cap_s(world, "watch") < 0.4 * before_s
    # While it cooled down windows explained a little less than was learned: the second day has the rest of it.
    world.until(lambda: latency_cap_s(world, "watch") > 0.95 * before_s, limit_s=1.5 * DAY_S)
    world.run(DAY_S, 1.0)
    assert len(world.incidents("watch")) == 1


def latency_cap_s(world: World, device: str) -> float:
    placement = world.placement(device)
    assert placement is not None
    assert placement.envelope.latency_s is not None
    return placement.envelope.latency_s.value


def test_a_device_that_was_slow_for_a_while_is_fast_again_after_a_day(world: World) -> None:
    camera = served(world, "camera", "deadline: 13 ms")
    large = runs(world, camera)
    camera.slowness = 1.8
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("camera")))
    assert runs(world, camera).latency_p95_s < large.latency_p95_s
    camera.slowness = 1.0
    world.until(lambda: camera.running == large.sha256, limit_s=1.5 * DAY_S)
    assert world.device("camera").calibration.slowness == pytest.approx(1.0, rel=0.2)


def test_recalibration_brings_the_larger_variant_back_at_once(world: World) -> None:
    camera = served(world, "camera", "deadline: 13 ms")
    large = runs(world, camera)
    camera.slowness = 1.8
    world.until(lambda: any(each.closed_unix_s for each in world.incidents("camera")))
    camera.slowness = 1.0
    world.ask(RecalibrateDevice("camera"))
    world.until(lambda: camera.running == large.sha256, limit_s=60)
    world.until(lambda: world.device("camera").calibration.slowness is not None, limit_s=60)
    assert world.device("camera").calibration.learned["slowness"].by == "trial"


def test_a_resistance_that_is_declared_wrongly_is_no_loop(world: World) -> None:
    """Under a lighter load it explains less, for ever: each return of the larger variant is twice as far away."""
    watch = served(world, "watch", *WATCH)
    watch.body = replace(watch.body, resistance_celsius_per_watt=48.0)
    world.run(8 * DAY_S, 1.0)
    opened = [each.opened_unix_s for each in reversed(world.incidents("watch"))]
    assert 2 <= len(opened) <= 4, opened
    waits = [after - before for before, after in pairwise(opened)]
    assert all(later > 1.5 * earlier for earlier, later in pairwise(waits)), waits
