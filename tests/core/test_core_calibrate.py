"""What an observation teaches: Bayes for speed, the worst for RAM, and never nothing from a failed trial."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import Failure
from agent.wire.messages import Trial
from agent.wire.profile import Profile
from controller.core.bounds import within
from controller.core.calibrate import (
    learn_from_trial,
    learn_latency,
    predicted_latency_s,
    predicted_ram_bytes,
    reference_latency_s,
    reference_ram_bytes,
    slowness,
)
from controller.core.envelope import collapse
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.envelope import Envelope
from tests.core.builders import BARE, DENSE, HALF, MIB, always, calibrations, floats, profile, trial

REFERENCE_S = DENSE.latency_p95_s


def after(observations: list[float], speed: float = 1.0) -> Calibration:
    """The calibration after latencies that many times the reference's."""
    learned = BARE
    for each in observations:
        learned = learn_latency(profile(speed=speed), learned, DENSE, each * REFERENCE_S)
    return learned


def test_before_any_observation_the_declared_speed_holds() -> None:
    assert slowness(profile(speed=0.5), BARE) == 2.0
    assert predicted_latency_s(profile(speed=0.5), BARE, DENSE) == pytest.approx(2 * REFERENCE_S * 1.08)


def test_one_observation_by_hand() -> None:
    """Prior log 1 = 0 with weight 1/0.25^2 = 16, observation log 2 with 1/0.05^2 = 400: log 2 * 400/416."""
    learned = after([2.0])
    assert learned.slowness == pytest.approx(math.exp(math.log(2) * 400 / 416))
    assert learned.slowness_samples == 1


@always
@given(st.lists(floats(0.2, 5), min_size=1, max_size=20), floats(0.3, 3))
def test_one_by_one_is_the_same_as_all_at_once_and_in_any_order(observed: list[float], speed: float) -> None:
    logs, count = [math.log(each) for each in observed], len(observed)
    mean = (-math.log(speed) * 16 + sum(logs) * 400) / (16 + count * 400)
    assert after(observed, speed).slowness == pytest.approx(math.exp(mean))
    assert after(observed[::-1], speed).slowness == pytest.approx(math.exp(mean))


@always
@given(observed=floats(0.2, 5), count=st.integers(1, 40), speed=floats(0.3, 3))
def test_more_of_the_same_moves_from_the_prior_to_the_observation(observed: float, count: int, speed: float) -> None:
    fewer, more = after([observed] * count, speed).slowness, after([observed] * (count + 1), speed).slowness
    assert fewer is not None
    assert more is not None
    low, high = sorted((1 / speed, observed))
    assert low * (1 - 1e-9) <= fewer <= high * (1 + 1e-9)
    assert abs(more - observed) <= abs(fewer - observed) + 1e-12


def test_one_outlier_hardly_moves_a_device_that_is_known_well_but_a_lasting_change_does() -> None:
    known = [1.0] * 20
    assert after([*known, 2.0]).slowness == pytest.approx(1.0, rel=0.04)
    assert after([*known, *[2.0] * 100]).slowness == pytest.approx(2.0, rel=0.02)


def test_a_measured_device_needs_a_smaller_margin() -> None:
    learned = Calibration(slowness=1.0, slowness_samples=1)
    assert predicted_latency_s(profile(), learned, DENSE) < predicted_latency_s(profile(), BARE, DENSE)


@always
@given(calibration=calibrations, cap=floats(1e-4, 10), speed=floats(0.2, 3))
def test_caps_translate_to_the_reference_host_and_back(calibration: Calibration, cap: float, speed: float) -> None:
    made = profile(speed=speed)
    there = replace(DENSE, latency_p95_s=reference_latency_s(made, calibration, cap))
    assert predicted_latency_s(made, calibration, there) == pytest.approx(cap)
    ram = cap * 100 * MIB
    there = replace(DENSE, ram_bytes=reference_ram_bytes(calibration, ram))  # type: ignore[arg-type]
    assert predicted_ram_bytes(calibration, there) == pytest.approx(ram)


def test_a_trial_teaches_base_extra_and_speed() -> None:
    learned = learn_from_trial(
        profile(), BARE, DENSE,
        trial(ram_base_bytes=30 * MIB, ram_peak_bytes=39 * MIB, latency_p95_ms=20.0),
    )  # fmt: skip
    assert (learned.ram_base_bytes, learned.ram_extra_bytes) == (30 * MIB, MIB)
    assert learned.slowness == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    "shown",
    [
        trial(),
        trial(latency_p95_ms=0.0),
        trial(latency_p95_ms=-1.0),
        trial(latency_p95_ms=1e300),
        trial(latency_p50_ms=9.0, latency_p95_ms=8.0),
        trial(ram_base_bytes=2**62, ram_peak_bytes=2**63 - 1),
    ],
)
def test_a_trial_that_measured_nothing_teaches_nothing(shown: Trial) -> None:
    assert learn_from_trial(profile(), BARE, DENSE, shown) == BARE


def test_less_ram_than_the_reference_is_no_credit() -> None:
    learned = learn_from_trial(profile(), BARE, DENSE, trial(ram_base_bytes=30 * MIB, ram_peak_bytes=31 * MIB))
    assert learned.ram_extra_bytes == 0


@always
@given(calibration=calibrations, over=floats(1.0001, 10), deadline_s=floats(0.001, 0.2))
def test_a_failed_latency_trial_always_changes_the_fit(
    calibration: Calibration, over: float, deadline_s: float
) -> None:
    made = profile(deadline_s=deadline_s, rate_hz=0.1)
    calibration = replace(calibration, slowness_samples=20 if calibration.slowness else 0)
    shown = trial(failure=Failure.LATENCY, latency_p95_ms=deadline_s * over * 1e3)
    assert not _fits(made, learn_from_trial(made, calibration, HALF, shown))


@always
@given(
    calibration=calibrations,
    total=st.none() | st.integers(31 * MIB, 60 * MIB),
    model=st.none() | st.integers(MIB // 8, 20 * MIB),
    peak=floats(0, 2),
)
def test_a_failed_memory_trial_always_changes_the_fit(
    calibration: Calibration, total: int | None, model: int | None, peak: float
) -> None:
    """Also where an allocation was refused, and the peak that was measured lies below the cap."""
    if total is None and model is None:
        return
    made, base = profile(ram_total_bytes=total, ram_model_bytes=model, rate_hz=0.1), 30 * MIB
    shown = trial(failure=Failure.MEMORY, ram_base_bytes=base, ram_peak_bytes=int(base + peak * 20 * MIB))
    cap = min((total or 2**40) - base, model or 2**40)
    if peak > 1:
        shown = trial(failure=Failure.MEMORY, ram_base_bytes=base, ram_peak_bytes=int(base + cap * peak) + 1)
    assert not _fits(made, learn_from_trial(made, calibration, HALF, shown))


def _fits(made: Profile, calibration: Calibration) -> bool:
    envelope = collapse(made, calibration, DENSE.ram_base_bytes)
    assert isinstance(envelope, Envelope)
    return within(made, calibration, envelope, HALF)
