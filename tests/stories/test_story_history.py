"""Windows that come late: they are kept, in their own hours, and what was long ago opens no incident now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.wire.messages import Ack, Telemetry, Window, decode, encode
from agent.wire.topics import Leaf, parse, topic
from controller.core.nouns.incident import Incident
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from controller.core.presence import Presence
from tests.stories.world import World, profile

POLICY = Policy(soak_s=2, retry_s=5, resend_s=5, repair_deadline_s=300, quiet_least_s=5)
HOUR_S, DAY_S = 3600.0, 86_400.0


def serving(tmp_path: Path, policy: Policy = POLICY, **body: Any) -> World:
    world = World(tmp_path, policy)
    world.add_model()
    world.add_device(profile("cam", "deadline: 40 ms"), **body)
    rollout = world.roll_out()
    world.until(lambda: world.rollout(rollout).state is not RolloutState.RUNNING, limit_s=10_000)
    assert world.rollout(rollout).state is RolloutState.FINISHED
    world.until(lambda: not world.devices["cam"].durable.windows, limit_s=10_000)
    return world


def rows(world: World) -> list[StoredWindow]:
    with world.store.read() as tx:
        return tx.recent_windows("cam", 1_000_000)


def a_hot_week_without_a_link(world: World, *, reboots: bool = False) -> float:
    """Too slow all week, and as it should be once the link is back; when it went."""
    device = world.devices["cam"]
    world.broker.stop()
    left_unix_s = world.now_s
    device.slowness *= 8
    world.run(7 * DAY_S, step_s=600.0)
    device.slowness /= 8
    world.run(HOUR_S, step_s=600.0)
    if reboots:
        device.restart(world.now_s)
        world.run(60, step_s=10.0)
    world.broker.start()
    world.until(lambda: not device.durable.windows, limit_s=2 * HOUR_S)
    return left_unix_s


@pytest.mark.parametrize("reboots", [False, True], ids=["goes on", "is switched off and on"])
@pytest.mark.parametrize("wall_offset_s", [0.0, -1.8e9], ids=["right clock", "clock of 1970"])
def test_a_week_of_replayed_windows_opens_no_incident_and_lies_in_its_own_hours(
    tmp_path: Path, wall_offset_s: float, reboots: bool
) -> None:
    world = serving(tmp_path, window_s=600.0, spool_limit=5000, wall_offset_s=wall_offset_s)
    before = len(rows(world))
    left_unix_s = a_hot_week_without_a_link(world, reboots=reboots)
    assert world.incidents("cam") == []
    late = [each for each in rows(world)[before:] if each.history]
    assert len(late) > 1000
    assert any(each.window.latency_p95_ms > 40 for each in late if each.window.latency_p95_ms is not None)
    stamps = [each.closed_unix_s for each in late]
    assert all(stamp is not None and stamp <= world.now_s for stamp in stamps)
    if not reboots or wall_offset_s == 0:
        closed = [left_unix_s + 600.0 * (number + 1) for number in range(len(late))]
        assert all(abs((stamp or 0.0) - at) <= 700 for stamp, at in zip(stamps, closed, strict=True))
    world.assert_memory_is_what_is_stored()
    world.store.close()


def test_the_same_week_opens_one_where_nothing_counts_as_history(tmp_path: Path) -> None:
    """So that the story above tells what it says."""
    world = serving(tmp_path, patient(history_s=1e9), window_s=600.0, spool_limit=5000)
    a_hot_week_without_a_link(world)
    found: list[Incident] = world.incidents("cam")
    assert found
    world.store.close()


def patient(**figures: float) -> Policy:
    return Policy(soak_s=2, retry_s=5, resend_s=5, repair_deadline_s=300, quiet_least_s=5, **figures)  # type: ignore[arg-type]


def test_what_is_within_a_battery_devices_patience_is_judged(tmp_path: Path) -> None:
    world = serving(tmp_path)
    world.broker.stop()
    world.devices["cam"].slowness *= 8
    world.run(20 * 60, step_s=2.0)
    assert world.incidents("cam") == []
    world.broker.start()
    world.until(lambda: bool(world.incidents("cam")))
    world.store.close()


# --- forged ages and numbers ------------------------------------------------------------------------------------------


def say(world: World, boot: str, windows: list[Window], now_s: float | None) -> list[Ack]:
    """Somebody speaks for the device; what is acknowledged to it."""
    heard = list[Ack]()
    stranger = world.broker.link("stranger")

    def hear(event: object) -> None:
        if hasattr(event, "payload"):
            message = decode(parse(event.topic), event.payload)  # type: ignore[attr-defined, arg-type]
            assert isinstance(message, Ack)
            heard.append(message)

    stranger.start(hear)
    stranger.subscribe([topic("cam", Leaf.ACK)])
    stranger.publish(
        topic("cam", Leaf.TELEMETRY), encode(Telemetry(device="cam", boot=boot, windows=windows, now_s=now_s))
    )
    world.broker.pump()
    world.tick()
    stranger.stop()
    return heard


@pytest.mark.parametrize("closed_s", [-5.0, 1e300, 5000.0])
def test_a_forged_age_is_none_and_counted(tmp_path: Path, closed_s: float) -> None:
    world = serving(tmp_path)
    window = Window(seq=1, duration_s=2.0, sha256=world.devices["cam"].running, closed_s=closed_s)
    say(world, "forged", [window], now_s=100.0)
    stored = next(each for each in rows(world) if each.boot == "forged")
    assert (stored.closed_unix_s, stored.history) == (stored.received_unix_s, False)
    assert "closed_s" in world.device("cam").implausible_last
    world.store.close()


@pytest.mark.parametrize("forged", [2**32, 2**31, 2000])
def test_a_forged_number_makes_no_device_deaf(tmp_path: Path, forged: int) -> None:
    world = serving(tmp_path)
    device, boot = world.devices["cam"], world.devices["cam"].state.setup.boot
    (ack,) = say(world, boot, [Window(seq=forged, duration_s=2.0)], now_s=None)
    assert ack.seq == forged
    heard = len(world.windows("cam"))
    world.run(20)
    assert len(world.windows("cam")) >= heard + 9
    known = [(boot, seq + 1) for seq in range(device.state.window_seq)]
    assert set(known) <= {*world.windows("cam")}
    assert world.presence("cam") is Presence.ONLINE
    world.assert_memory_is_what_is_stored()
    world.store.close()


def test_a_number_that_no_boot_comes_to_is_neither_kept_nor_acknowledged(tmp_path: Path) -> None:
    world = serving(tmp_path)
    boot = world.devices["cam"].state.setup.boot
    assert say(world, boot, [Window(seq=2**62, duration_s=2.0)], now_s=None) == []
    assert (boot, 2**62) not in world.windows("cam")
    assert "seq: " in world.device("cam").implausible_last
    good = Window(seq=10_000, duration_s=2.0)
    (ack,) = say(world, "other", [good, msgspec.structs.replace(good, seq=2**62)], now_s=None)
    assert ack.seq == 10_000
    world.store.close()
