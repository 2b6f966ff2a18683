"""What a device says that cannot be: kept as absent, counted, shown on the device, and never acted on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent.wire.messages import Phase, Reported, Result, Telemetry, Trial, Window, encode
from agent.wire.topics import Leaf, topic
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from tests.stories.world import World, profile

POLICY = Policy(soak_s=2, retry_s=5, resend_s=5)
SENT = Path(__file__).parent / "telemetry"
BUDGET = (
    "deadline: 200 ms",
    "power: {idle: 1 W, busy: 3 W}",
    "thermal: {limit: 80 C, ambient: 25 C, resistance: 8 C/W}",
    "battery: {capacity: 40 Wh, lifetime: 10 h}",
)
FIGURES = tuple(
    name for name in Window.__struct_fields__ if name.endswith(("_ms", "_celsius", "_percent", "_watts", "_share"))
)


def served(tmp_path: Path) -> World:
    world = World(tmp_path, POLICY)
    world.add_model()
    world.add_device(profile("cam", *BUDGET))
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    return world


def say(world: World, leaf: Leaf, payload: bytes) -> None:
    stranger = world.broker.link("stranger")
    stranger.start(lambda _event: None)
    stranger.publish(topic("cam", leaf), payload)
    world.broker.pump()
    world.tick()


def hostile(world: World, name: str, boot: str = "hostile", **changes: object) -> bytes:
    """The windows of a file, as those of the variant that runs."""
    said = msgspec.json.decode((SENT / f"{name}.json").read_bytes())
    window = said["windows"][0] | {"sha256": world.devices["cam"].running, **changes}
    return msgspec.json.encode(said | {"device": "cam", "boot": boot, "windows": [window]})


def kept(world: World, boot: str = "hostile") -> list[StoredWindow]:
    with world.store.read() as tx:
        return [each for each in tx.recent_windows("cam", 1000) if each.boot == boot]


@pytest.mark.parametrize(("name", "absent"), [("negative", "duration_s"), ("huge", "count")])
def test_what_cannot_be_is_kept_as_absent_and_counted_on_the_device(tmp_path: Path, name: str, absent: str) -> None:
    world = served(tmp_path)
    say(world, Leaf.TELEMETRY, hostile(world, name))
    (stored,) = kept(world)
    assert [getattr(stored.window, each) for each in FIGURES] == [None] * len(FIGURES)
    assert (getattr(stored.window, absent), stored.window.power_source) == (None, None)
    device = world.device("cam")
    assert device.implausible == 1
    assert device.implausible_last == stored.window.implausible
    assert "temperature_celsius: " in device.implausible_last
    say(world, Leaf.TELEMETRY, hostile(world, name))  # delivery is at least once
    assert world.device("cam").implausible == 1
    say(world, Leaf.TELEMETRY, hostile(world, name, seq=9))
    assert world.device("cam").implausible == 2
    assert world.dead_letters() == []
    world.store.close()


@pytest.mark.parametrize("name", ["negative", "huge"])
def test_it_is_never_acted_on(tmp_path: Path, name: str) -> None:
    world = served(tmp_path)
    before, jobs = world.device("cam").calibration, list(world.jobs.started)
    for seq in range(1, 40):
        say(world, Leaf.TELEMETRY, hostile(world, name, seq=seq))
    world.run(60)
    assert world.incidents("cam") == []
    assert world.device("cam").calibration == before
    assert world.jobs.started == jobs
    assert world.device("cam").implausible == 39
    world.store.close()


def test_a_power_of_1e14_w_is_not_learned_as_busy_watts_while_the_device_breaches(tmp_path: Path) -> None:
    """A real breach of the battery beside it: what is learned comes from the windows that can be."""
    world = served(tmp_path)
    device = world.devices["cam"]
    for seq in range(1, 8):
        watts = 1e14 if seq % 2 else 6.0
        window = Window(
            seq=seq, duration_s=2.0, sha256=device.running, count=8, latency_p50_ms=10.0, latency_p95_ms=11.0,
            busy_share=0.5, power_watts=watts, power_source="measured", battery_discharging=True,
        )  # fmt: skip
        say(world, Leaf.TELEMETRY, encode(Telemetry(device="cam", boot="liar", windows=[window])))
    assert [each.window.power_watts for each in kept(world, "liar")] == [None, 6.0, None, 6.0, None, 6.0, None]
    assert (world.device("cam").calibration.busy_watts or 0.0) <= 11.0
    assert not any("latency=0us" in key for key in world.jobs.started)
    world.store.close()


def test_a_trial_that_cannot_be_teaches_nothing_and_is_counted_once(tmp_path: Path) -> None:
    world = served(tmp_path)
    device = world.device("cam")
    assert device.reported is not None
    running = device.reported.sha256 or ""
    trial = Trial(
        sha256=running, passed=True, latency_p50_ms=-3.0, latency_p95_ms=1e300, ram_base_bytes=2**62,
        ram_peak_bytes=2**62,
    )  # fmt: skip
    lie = msgspec.structs.replace(device.reported, trial=trial)
    for _ in range(3):
        say(world, Leaf.REPORTED, encode(lie))
    after = world.device("cam")
    assert after.implausible == 1
    assert after.implausible_last.startswith("latency_p50_ms: -3 ms is outside")
    assert after.calibration == device.calibration
    assert after.reported is not None
    assert after.reported.trial == Trial(sha256=running, passed=True)
    world.store.close()


def test_the_first_word_of_a_device_may_be_a_lie_and_it_is_tried_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, POLICY)
    world.add_model()
    world.add_device(profile("cam", *BUDGET))
    lie = Reported(
        device="cam", boot="b", seq=1, epoch=1, sha256=None, phase=Phase.IDLE, result=Result.REJECTED,
        trial=Trial(sha256="x" * 64, passed=False, latency_p95_ms=-1.0),
    )  # fmt: skip
    say(world, Leaf.REPORTED, encode(lie))
    assert world.device("cam").calibration == Calibration()
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    world.store.close()


def test_a_reason_that_the_device_tells_itself_is_counted_and_bounded(tmp_path: Path) -> None:
    world = served(tmp_path)
    window = Window(seq=1, duration_s=2.0, implausible="temperature: " + "x" * 100_000)
    say(world, Leaf.TELEMETRY, encode(Telemetry(device="cam", boot="b", windows=[window])))
    device = world.device("cam")
    assert (device.implausible, len(device.implausible_last)) == (1, 500)
    world.store.close()
