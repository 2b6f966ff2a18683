"""Projected battery life: from the profile's figures and from what was learned about the device."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from agent.wire.profile import Battery, Power, Profile
from controller.core.battery import battery_life_s, energy_joules, mean_watts
from controller.core.nouns.calibration import Calibration
from tests.core.builders import BARE, DENSE, HALF, always, calibrations, profile, profiles

POWER = Power(idle_watts=0.1, busy_watts=1.1)
PATCH = profile(rate_hz=10.0, power=POWER, battery=Battery(capacity_watt_hours=1.0, lifetime_s=3600, efficiency=0.9))


def test_the_life_is_what_the_battery_holds_over_the_mean_draw() -> None:
    assert energy_joules(PATCH, BARE, DENSE) == pytest.approx(0.009 * 1.0)
    assert mean_watts(PATCH, BARE, DENSE) == pytest.approx(0.1 + 10 * 0.009)
    assert battery_life_s(PATCH, BARE, DENSE) == pytest.approx(3600 * 0.9 / 0.19)
    assert battery_life_s(PATCH, BARE, HALF) == pytest.approx(3600 * 0.9 / 0.145)


def test_what_was_learned_counts_and_a_device_that_cannot_keep_up_is_busy_all_the_time() -> None:
    learned = Calibration(slowness=2.0, busy_watts=2.1)
    assert mean_watts(PATCH, learned, DENSE) == pytest.approx(0.1 + 10 * 0.018 * 2.0)
    assert mean_watts(PATCH, Calibration(slowness=100.0), DENSE) == pytest.approx(1.1)


def test_without_a_battery_or_power_figures_there_is_no_figure() -> None:
    assert battery_life_s(replace(PATCH, battery=None), BARE, DENSE) is None
    bare = profile()
    assert (energy_joules(bare, BARE, DENSE), mean_watts(bare, BARE, DENSE)) == (None, None)


@always
@given(profiles(), calibrations)
def test_a_variant_that_takes_less_time_never_empties_the_battery_sooner(
    made: Profile, calibration: Calibration
) -> None:
    dense, half = (battery_life_s(made, calibration, each) for each in (DENSE, HALF))
    if dense is not None:
        assert half is not None
        assert half >= dense
