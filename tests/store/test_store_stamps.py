"""Moving what was stamped along with the clock: what is measured keeps its age, and order stays order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.wire.messages import Window
from agent.wire.profile import parse_profile
from controller.core.nouns.calibration import Calibration, Learned
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.incident import BreachKind, Incident
from controller.core.policy import Policy
from controller.store.store import Store

PROFILE = "device: a\n"
NOW = 1_800_000_000.0
SPAN_S = Policy().longest_s


def put(store: Store, ages_s: list[float]) -> None:
    with store.begin() as tx:
        tx.put_device(Device(id="a", state=DeviceState.ACCEPTED, profile=parse_profile(PROFILE), profile_text=PROFILE))
        for number, age_s in enumerate(ages_s):
            kind = BreachKind.LATENCY
            tx.put_incident(Incident(id=f"{number:03}", device="a", kind=kind, opened_unix_s=NOW - age_s))


def opened(store: Store) -> list[float]:
    with store.read() as tx:
        return [each.opened_unix_s for each in sorted(tx.incidents(device="a"), key=lambda each: each.id)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ages_s=st.lists(st.integers(0, 10 * 86_400).map(float), min_size=1, max_size=12),
    step_s=st.integers(-9 * 86_400, 9 * 86_400).map(float),
)
def test_ages_that_are_asked_for_and_the_order_survive_every_step(
    store: Store, ages_s: list[float], step_s: float
) -> None:
    put(store, ages_s)
    before = opened(store)[: len(ages_s)]
    with store.begin() as tx:
        tx.restamp(NOW - SPAN_S, step_s)
    after = opened(store)[: len(ages_s)]
    for age_s, moved in zip(ages_s, after, strict=True):
        assert NOW + step_s - moved == age_s if age_s <= SPAN_S else NOW + step_s - moved >= SPAN_S
    in_order = [at for _, at in sorted(zip(before, after, strict=True))]
    assert in_order == sorted(in_order)


def window(seq: int, wall_unix_s: float) -> Window:
    return Window(seq=seq, duration_s=1.0, wall_unix_s=wall_unix_s, sha256="", count=1, errors=0)


def test_a_log_keeps_its_old_stamps_and_the_devices_own_clock_is_its_own(store: Store) -> None:
    with store.begin() as tx:
        for seq, age_s in enumerate((2 * SPAN_S, 60.0), 1):
            tx.add_windows("a", "boot", NOW - age_s, [window(seq, 5.0)])
        tx.restamp(NOW - SPAN_S, -3 * SPAN_S)
        received = {each.window.seq: each.received_unix_s for each in tx.recent_windows("a", 10)}
        assert received == {1: NOW - 2 * SPAN_S, 2: NOW - 60.0 - 3 * SPAN_S}
        assert {each.window.wall_unix_s for each in tx.recent_windows("a", 10)} == {5.0}


def test_what_was_learned_keeps_its_age_however_old_it_is(store: Store) -> None:
    put(store, [])
    entry = Learned(by="incident i", learned_unix_s=NOW - 90 * 86_400, doubted_unix_s=NOW - 60.0, most=30.5)
    fresh = Learned(by="trial", learned_unix_s=NOW)
    with store.begin() as tx:
        device = tx.get_device("a")
        assert device is not None
        calibration = Calibration(slowness=2.0, learned={"ambient_celsius": entry, "slowness": fresh})
        tx.put_device(replace(device, calibration=calibration))
        tx.restamp(NOW - SPAN_S, -10_800.0)
        moved = tx.get_device("a")
    assert moved is not None
    learned = moved.calibration.learned
    assert learned["slowness"] == replace(fresh, learned_unix_s=NOW - 10_800)
    assert learned["ambient_celsius"] == replace(
        entry, learned_unix_s=NOW - 90 * 86_400 - 10_800, doubted_unix_s=NOW - 60.0 - 10_800
    )
    assert moved.calibration.slowness == 2.0


def test_the_newest_stamp_is_found_wherever_it_is(store: Store) -> None:
    with store.begin() as tx:
        assert tx.newest_unix_s() == 0.0
        tx.add_windows("a", "boot", NOW, [window(1, NOW + 9)])
        assert tx.newest_unix_s() == NOW
        tx.add_event("a", "boot", "refused", "", NOW + 1)
        assert tx.newest_unix_s() == NOW + 1
    put(store, [-2.0])
    with store.read() as tx:
        assert tx.newest_unix_s() == NOW + 2
