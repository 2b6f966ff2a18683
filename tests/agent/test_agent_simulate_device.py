"""Whole lives of simulated devices: the real decisions, a virtual clock, a broker in memory."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fleet import KEY, PROFILE, Hand, artifact, assignment, sha256

from agent.simulate.device import SimDevice
from agent.simulate.memory import Faults, MemoryBroker
from agent.wire.errors import Failure
from agent.wire.messages import Event, Phase, Result, Status, Telemetry

A, B = artifact(1), artifact(2)
COST = {sha256(A): (20 * 2**20, 0.010), sha256(B): (40 * 2**20, 0.020)}


class World:
    def __init__(self, faults: Faults | None = None, **changes: object) -> None:
        self.now_s = 0.0
        self.broker = MemoryBroker(faults)
        self.hand = Hand(self.broker)
        self.hand.add(A, B)
        self.device = SimDevice(
            verify_key=KEY.public_key(),
            connect=self.broker.link,
            cost=COST.__getitem__,
            window_s=5.0,
            **{"profile": PROFILE, **changes},  # type: ignore[arg-type]
        )

    def run(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 0.5
            self.broker.pump()
            self.device.advance(self.now_s)
            self.broker.pump()
            self.hand.work()


def test_an_assignment_is_downloaded_tried_and_served() -> None:
    world = World()
    world.run(1)
    world.hand.assign(assignment(A, 1, latency_p95_ms=40.0, ram_total_bytes=96 * 2**20))
    world.run(30)
    reported = world.hand.reported()
    assert (reported.sha256, reported.phase, reported.result) == (sha256(A), Phase.ACTIVE, Result.SUCCEEDED)
    assert reported.trial is not None
    assert reported.trial.latency_p50_ms == pytest.approx(10.0)
    windows = [each for message in world.hand.heard if isinstance(message, Telemetry) for each in message.windows]
    assert [each.seq for each in windows] == list(range(1, len(windows) + 1))
    assert windows[0].busy_share == pytest.approx(0.05)
    assert (windows[0].power_source, windows[0].latency_source) == ("emulated", "modelled")
    assert not world.device.durable.windows


def test_a_failed_trial_leaves_the_old_variant_and_says_why() -> None:
    world = World()
    world.hand.assign(assignment(A, 1))
    world.run(10)
    world.hand.assign(assignment(B, 2, latency_p95_ms=15.0))
    world.run(10)
    reported = world.hand.reported()
    assert (reported.seq, reported.sha256, reported.result) == (2, sha256(A), Result.REJECTED)
    assert reported.failure is Failure.LATENCY
    assert world.device.running == sha256(A)
    assert set(world.device.durable.artifacts) == {sha256(A)}


def test_ram_is_judged_by_the_trial_and_an_unknown_artifact_is_a_bad_model() -> None:
    world = World()
    world.hand.assign(assignment(B, 1, ram_total_bytes=80 * 2**20))
    world.run(10)
    assert world.hand.reported().failure is Failure.MEMORY
    strange = artifact(3)
    world.hand.add(strange)
    world.hand.assign(assignment(strange, 2))
    world.run(10)
    assert world.hand.reported().failure is Failure.BAD_MODEL
    assert world.hand.reported().phase is Phase.IDLE


def test_a_device_that_dies_says_so_by_its_will_and_resumes_alone() -> None:
    world = World()
    world.hand.assign(assignment(A, 1))
    world.run(10)
    world.device.kill()
    world.run(1)
    status = world.hand.last(Status)
    assert isinstance(status, Status)
    assert not status.online
    world.broker.stop(forget=True)
    world.device.restart(world.now_s)
    world.run(6)
    assert world.device.running == sha256(A)
    world.broker.start()
    world.run(1)
    assert world.hand.reported().sha256 == sha256(A)


def test_telemetry_of_an_outage_arrives_later_and_in_order() -> None:
    world = World()
    world.hand.assign(assignment(A, 1))
    world.run(10)
    world.broker.stop()
    world.run(300)
    world.broker.start()
    world.run(60)
    seqs = [each.seq for message in world.hand.heard if isinstance(message, Telemetry) for each in message.windows]
    assert sorted(set(seqs)) == list(range(1, max(seqs) + 1))
    assert max(seqs) > 60


def test_a_full_spool_drops_the_oldest_and_counts_them() -> None:
    world = World(spool_limit=10)
    world.hand.assign(assignment(A, 1))
    world.run(10)
    world.broker.stop()
    world.run(100)
    world.broker.start()
    world.run(10)
    telemetry = world.hand.last(Telemetry)
    assert isinstance(telemetry, Telemetry)
    assert telemetry.dropped > 5


def test_a_worker_that_keeps_dying_rolls_back() -> None:
    world = World()
    world.hand.assign(assignment(A, 1))
    world.run(20)
    world.hand.assign(assignment(B, 2))
    world.run(20)
    assert world.device.running == sha256(B)
    for _ in range(3):
        world.device.worker_dies()
        world.run(10)
    reported = world.hand.reported()
    assert (reported.seq, reported.sha256, reported.result) == (2, sha256(A), Result.FAILED_ROLLED_BACK)
    assert world.device.running == sha256(A)
    assert any(isinstance(each, Event) and each.kind == "rolled_back" for each in world.hand.heard)


def test_a_worker_that_outgrows_its_cap_is_ended() -> None:
    world = World()
    world.hand.assign(assignment(A, 1, ram_total_bytes=80 * 2**20))
    world.run(20)
    world.device.ram_extra_bytes = 20 * 2**20
    world.run(6)
    assert any(isinstance(each, Event) and each.kind == "memory" for each in world.hand.heard)
    assert world.device.running is None
    world.device.ram_extra_bytes = 0
    world.run(20)
    assert world.device.running == sha256(A)


def test_warm_surroundings_show_in_telemetry() -> None:
    world = World(throttle_at_celsius=55.0)
    world.hand.assign(assignment(A, 1))
    world.run(200)
    cool = world.device.condition.temperature_celsius
    world.device.ambient_celsius = 50.0
    world.run(200)
    assert world.device.condition.temperature_celsius == pytest.approx(cool + 25, abs=1)
    telemetry = world.hand.last(Telemetry)
    assert isinstance(telemetry, Telemetry)
    assert telemetry.windows[-1].throttled_share == 1.0
    assert telemetry.windows[-1].latency_p50_ms == pytest.approx(10 / 0.6)
    assert telemetry.windows[-1].battery_percent is not None
    assert telemetry.windows[-1].battery_percent < 100


def test_an_empty_battery_ends_the_device() -> None:
    world = World(battery_percent=0.1)
    world.run(60)
    assert not world.device.alive


def test_strangers_and_replays_are_refused() -> None:
    world = World()
    world.hand.assign(assignment(A, 3))
    world.run(10)
    for forged, key in (
        (assignment(B, 4), Ed25519PrivateKey.generate()),
        (assignment(B, 2), KEY),
        (assignment(B, 3), KEY),
    ):
        world.hand.assign(forged, key)
        world.run(5)
        assert world.device.running == sha256(A)
        assert world.hand.reported().seq == 3
    kinds = [each.message.split(":")[0] for each in world.hand.heard if isinstance(each, Event)]
    assert kinds == ["bad_signature", "stale", "stale"]


def test_a_repeat_is_reported_again_and_changes_nothing() -> None:
    world = World()
    wanted = assignment(A, 1)
    world.hand.assign(wanted)
    world.run(10)
    before, count = world.device.durable.record, len(world.hand.heard)
    world.hand.assign(wanted)
    world.run(2)
    assert world.device.durable.record == before
    assert len(world.hand.heard) > count


def test_new_budgets_for_what_runs_are_adopted_without_a_trial() -> None:
    world = World()
    world.hand.assign(assignment(A, 1))
    world.run(10)
    world.hand.assign(assignment(A, 2, ram_total_bytes=90 * 2**20))
    world.run(1)
    reported = world.hand.reported()
    assert (reported.seq, reported.result, reported.sha256) == (2, Result.SUCCEEDED, sha256(A))
    active = world.device.durable.record.active
    assert active is not None
    assert active.assignment.ram_total_bytes == 90 * 2**20


def test_lost_blocks_are_asked_for_again() -> None:
    world = World(Faults(random=random.Random(5), drop=0.2, duplicate=0.2, reorder=0.3))
    world.hand.assign(assignment(A, 1))
    for attempt in range(40):
        if world.device.running == sha256(A):
            break
        world.run(10)
        if attempt % 5 == 4:  # a retained message that was lost comes again with the next connection
            world.broker.stop()
            world.broker.start()
    assert world.device.running == sha256(A)


def test_circumstances_do_not_use_up_an_assignment() -> None:
    world = World(runtimes=())
    wanted = assignment(A, 1, expires_unix_s=1000.0)
    world.hand.assign(wanted)
    world.run(5)
    assert world.hand.reported().failure is Failure.NO_RUNTIME
    assert world.hand.reported().seq == 1
    late = World(wall_offset_s=5000.0)
    late.hand.assign(wanted)
    late.run(5)
    assert late.hand.reported().failure is Failure.EXPIRED
    late.device.wall_offset_s = 0.0
    late.hand.assign(wanted)
    late.run(10)
    assert late.device.running == sha256(A)


def test_no_room_is_known_before_a_block_is_fetched() -> None:
    world = World(profile=PROFILE + "storage: 1 kB\n")
    world.hand.assign(assignment(A, 1))
    world.run(5)
    reported = world.hand.reported()
    assert (reported.failure, reported.result) == (Failure.NO_SPACE, Result.REJECTED)
    assert not world.device.durable.parts
