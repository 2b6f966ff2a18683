"""Why a device breaches: each cause from the windows that it leaves, and what it teaches the next fit."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given

from agent.wire.messages import Window
from agent.wire.profile import Battery, Power, Profile, Thermal
from controller.core.bounds import within
from controller.core.calibrate import predicted_latency_s
from controller.core.diagnose import Cause, Diagnosis, diagnose, surroundings_celsius
from controller.core.envelope import Impossible, collapse
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.incident import BreachKind
from tests.core.builders import BARE, DENSE, MIB, always, floats, profile, stored, window

POWER = Power(idle_watts=0.5, busy_watts=2.5)
THERMAL = Thermal(limit_celsius=60, ambient_celsius=25, resistance_celsius_per_watt=20, time_constant_s=120)


def heated(
    ambient: float, count: int, thermal: Thermal = THERMAL, start: float = 40.0, noise: float = 0.0
) -> list[Window]:
    """Windows of ten seconds of an RC body in that ambient, its power going up and down, its sensor off by `noise`."""
    rng, celsius, made = random.Random(1), start, []
    decay = math.exp(-10 / (thermal.time_constant_s or 120.0))
    for seq in range(count):
        watts = 1.0 + 0.5 * (seq % 3)
        celsius = decay * celsius + (1 - decay) * (ambient + thermal.resistance_celsius_per_watt * watts)
        shown = celsius + rng.uniform(-noise, noise)
        made.append(window(seq, temperature_celsius=shown, power_watts=watts, busy_share=(watts - 0.5) / 2))
    return made


def explain(kind: BreachKind, made: Profile, *shown: Window, calibration: Calibration = BARE) -> Diagnosis:
    return diagnose(kind, made, calibration, DENSE, stored(*shown))


def refitted(made: Profile, found: Diagnosis) -> bool:
    """Does what was learned keep the running variant from being fitted again?"""
    assert found.calibration is not None
    envelope = collapse(made, found.calibration, DENSE.ram_base_bytes)
    return isinstance(envelope, Impossible) or not within(made, found.calibration, envelope, DENSE)


@always
@given(ambient=floats(-20, 60), tau=floats(5, 2000), resistance=floats(1, 50), start=floats(0, 90))
def test_the_ambient_is_found_exactly_in_a_transient(
    ambient: float, tau: float, resistance: float, start: float
) -> None:
    thermal = Thermal(
        limit_celsius=60, ambient_celsius=25, resistance_celsius_per_watt=resistance, time_constant_s=tau
    )  # fmt: skip
    found = surroundings_celsius(thermal, heated(ambient, 4, thermal, start))
    assert found == pytest.approx(ambient, abs=1e-6)


def test_a_sensor_of_half_a_degree_finds_it_within_a_few() -> None:
    found = surroundings_celsius(THERMAL, heated(35, 12, noise=0.25))
    assert found == pytest.approx(35, abs=1.0)


def test_a_lost_window_a_reboot_and_a_missing_sensor_are_left_out() -> None:
    first = heated(35, 4)
    again = heated(35, 3, start=70.0)  # the sequence starts again, elsewhere
    blind = window(4, power_watts=1.0)
    assert surroundings_celsius(THERMAL, [*first, blind, *again]) == pytest.approx(35)
    assert surroundings_celsius(THERMAL, [first[0], *first[2:]]) == pytest.approx(35)


def test_windows_that_claim_to_have_no_length_do_no_harm() -> None:
    instant = [window(at, temperature_celsius=50.0, power_watts=1.0, duration_s=0.0) for at in range(3)]
    assert surroundings_celsius(THERMAL, instant) == pytest.approx(30)


def test_without_a_time_constant_the_newest_window_counts_as_settled() -> None:
    thermal = Thermal(limit_celsius=60, ambient_celsius=25, resistance_celsius_per_watt=20)
    assert surroundings_celsius(thermal, [window(temperature_celsius=62.0, power_watts=1.0)]) == pytest.approx(42)
    assert surroundings_celsius(thermal, [window(power_watts=1.0)]) is None


def test_hot() -> None:
    made = profile(power=POWER, thermal=THERMAL)
    found = explain(BreachKind.TEMPERATURE, made, *heated(38, 6))
    assert found.cause is Cause.HOT
    assert "38.0 C, not 25.0 C" in found.text
    assert found.calibration is not None
    assert found.calibration.ambient_celsius == pytest.approx(38)


def test_hot_in_known_surroundings_is_its_own_draw() -> None:
    made = profile(power=POWER, thermal=THERMAL)
    shown = [window(at, temperature_celsius=65.0, power_watts=2.0, busy_share=0.5) for at in range(3)]
    found = explain(BreachKind.TEMPERATURE, made, *shown, calibration=Calibration(ambient_celsius=25.0))
    assert found.cause is Cause.DRAINING
    assert found.calibration is not None
    assert found.calibration.busy_watts == pytest.approx(3.5)


def test_draining_and_one_window_with_a_trials_burst_does_not_count() -> None:
    made = profile(
        rate_hz=40.0, power=POWER, battery=Battery(capacity_watt_hours=10, lifetime_s=28_800)
    )  # 1.125 W: just enough for the dense model as declared
    shown = [window(at, power_watts=0.5 + 0.3 * 3.0, busy_share=0.3) for at in range(2)]
    burst = window(2, power_watts=3.0, busy_share=0.01)
    found = explain(BreachKind.BATTERY, made, *shown, burst)
    assert found.cause is Cause.DRAINING
    assert found.calibration is not None
    assert found.calibration.busy_watts == pytest.approx(3.5)
    assert refitted(made, found)


@pytest.mark.parametrize(
    ("throttled", "cause", "text"),
    [
        (None, Cause.SLOW, "at a steady frequency"),
        (0.1, Cause.SLOW, "steady"),
        (0.6, Cause.THROTTLED, "60% of the time"),
    ],
)
def test_slow_and_throttled(throttled: float | None, cause: Cause, text: str) -> None:
    made = profile(deadline_s=0.015)
    shown = [window(at, latency_p50_ms=16.0, latency_p95_ms=18.0, throttled_share=throttled) for at in range(3)]
    found = explain(BreachKind.LATENCY, made, *shown)
    assert found.cause is cause
    assert text in found.text
    assert found.calibration is not None
    assert found.calibration.slowness == pytest.approx(1.8)
    assert refitted(made, found)


@always
@given(over=floats(1.0001, 20), margin=floats(1, 1.5))
def test_a_latency_above_budget_and_prediction_always_changes_the_fit(over: float, margin: float) -> None:
    deadline_s = predicted_latency_s(profile(), BARE, DENSE) * margin
    made = profile(deadline_s=deadline_s)
    shown = window(latency_p50_ms=deadline_s * over * 900, latency_p95_ms=deadline_s * over * 1e3)
    assert refitted(made, explain(BreachKind.LATENCY, made, shown))


def test_contention_is_waited_out() -> None:
    made = profile(deadline_s=0.015)
    tail = explain(BreachKind.LATENCY, made, window(latency_p50_ms=9.0, latency_p95_ms=40.0))
    assert (tail.cause, tail.calibration) == (Cause.CONTENTION, None)
    assert "only the tail" in tail.text


def test_what_runs_as_predicted_is_not_called_slow() -> None:
    """Over budget by a load that the model does not explain: latency and draw are as they should be."""
    made = profile(power=POWER, battery=Battery(capacity_watt_hours=10, lifetime_s=36_000))
    shown = window(latency_p95_ms=10.0, power_watts=1.5, busy_share=0.5)
    found = explain(BreachKind.BATTERY, made, shown)
    assert (found.cause, found.calibration) == (Cause.CONTENTION, None)
    assert "as predicted" in found.text


def test_latency_that_was_not_measured_explains_nothing() -> None:
    found = explain(BreachKind.LATENCY, profile(), window(latency_p50_ms=None, latency_p95_ms=None))
    assert (found.cause, found.calibration) == (Cause.CONTENTION, None)


def test_memory() -> None:
    made, known = profile(ram_model_bytes=9 * MIB), Calibration(ram_base_bytes=30 * MIB, ram_extra_bytes=0)
    found = explain(BreachKind.MEMORY, made, window(ram_peak_bytes=40 * MIB), calibration=known)
    assert found.cause is Cause.MEMORY
    assert found.calibration is not None
    assert found.calibration.ram_extra_bytes == 2 * MIB
    assert refitted(made, found)


def test_memory_without_a_measured_base_teaches_nothing() -> None:
    found = explain(BreachKind.MEMORY, profile(ram_total_bytes=39 * MIB), window(ram_peak_bytes=40 * MIB))
    assert (found.cause, found.calibration) == (Cause.MEMORY, None)
