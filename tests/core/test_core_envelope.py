"""The envelope against figures worked by hand, what binds, and devices on which idling alone is too much."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.wire.profile import Battery, Power, Profile, Thermal, parse_profile
from agent.wire.units import Unit, parse_quantity
from controller.core.envelope import Impossible, collapse, lifetime_watts, sustained_watts
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Cap, Envelope
from tests.core.builders import BARE, MIB, always, batteries, envelope, floats, powers, profile, thermals

BASE = 40 * MIB
CAMERA = """
device: cam
rate: 5 Hz
power: {idle: 2.7 W, busy: 6 W}
thermal: {limit: 80 C, ambient: 45 C, tdp: 6 W, rated_ambient: 25 C}
"""


def collapsed(made: Profile, calibration: Calibration = BARE) -> Envelope:
    found = collapse(made, calibration, BASE)
    assert isinstance(found, Envelope)
    return found


def impossible(made: Profile, calibration: Calibration = BARE) -> Impossible:
    found = collapse(made, calibration, BASE)
    assert isinstance(found, Impossible)
    return found


def test_the_datasheet_example_gives_3_82_watts_and_68_milliseconds() -> None:
    camera = parse_profile(CAMERA)
    assert sustained_watts(camera, BARE) == pytest.approx(3.818, abs=1e-3)
    cap = collapsed(camera).latency_s
    assert cap is not None
    assert cap.binding is Constraint.THERMAL
    assert cap.value == pytest.approx(0.0678, abs=1e-4)


def test_a_guard_and_a_measured_ambient_lower_what_can_be_sustained() -> None:
    thermal = Thermal(limit_celsius=80, ambient_celsius=40, resistance_celsius_per_watt=10, guard_celsius=5)
    made = profile(thermal=thermal, power=Power(idle_watts=1, busy_watts=3))
    assert sustained_watts(made, BARE) == pytest.approx(3.5)
    assert sustained_watts(made, Calibration(ambient_celsius=55)) == pytest.approx(2.0)


def test_a_battery_that_shall_last_ten_hours_caps_the_latency() -> None:
    # 10 Wh at 90% over 10 h leave 0.9 W; 0.4 W above idle at 2 W more when busy is a duty of 0.2: 100 ms at 2 Hz.
    made = profile(
        rate_hz=2.0,
        power=Power(idle_watts=0.5, busy_watts=2.5),
        battery=Battery(capacity_watt_hours=10, lifetime_s=36_000),
    )
    assert lifetime_watts(made) == pytest.approx(0.9)
    assert collapsed(made).latency_s == Cap(pytest.approx(0.1), Constraint.BATTERY)
    hungrier = Calibration(busy_watts=4.5)
    assert collapsed(made, hungrier).latency_s == Cap(pytest.approx(0.05), Constraint.BATTERY)


@pytest.mark.parametrize(
    ("fields", "value", "binding"),
    [
        ({"deadline_s": 0.05, "rate_hz": 10.0}, 0.05, Constraint.DEADLINE),
        ({"deadline_s": 0.05, "rate_hz": 40.0}, 0.025, Constraint.RATE),
        ({"rate_hz": 4.0}, 0.25, Constraint.RATE),
    ],
)
def test_the_tighter_of_deadline_and_rate_binds(fields: dict[str, float], value: float, binding: Constraint) -> None:
    assert collapsed(profile(**fields)).latency_s == Cap(value, binding)


@pytest.mark.parametrize(
    ("total", "model", "base", "cap"),
    [
        (64, 16, None, Cap(16 * MIB, Constraint.RAM_MODEL)),
        (50, 16, None, Cap(10 * MIB, Constraint.RAM_TOTAL)),
        (64, 16, 52, Cap(12 * MIB, Constraint.RAM_TOTAL)),
        (64, None, None, Cap(24 * MIB, Constraint.RAM_TOTAL)),
        (None, 16, 52, Cap(16 * MIB, Constraint.RAM_MODEL)),
        (None, None, None, None),
    ],
)
def test_the_tighter_of_two_ram_caps_above_the_measured_base(
    total: int | None, model: int | None, base: int | None, cap: Cap | None
) -> None:
    made = profile(ram_total_bytes=total and total * MIB, ram_model_bytes=model and model * MIB)
    assert collapsed(made, Calibration(ram_base_bytes=base and base * MIB)).ram_bytes == cap


def test_a_runtime_that_is_too_large_alone_is_refused_with_what_it_takes() -> None:
    refused = impossible(profile(ram_total_bytes=32 * MIB))
    assert refused.binding is Constraint.RAM_TOTAL
    assert "40 MiB" in refused.reason
    enough = parse_quantity(refused.relaxations[0].removeprefix("memory.total above "), Unit.BYTES)
    assert isinstance(collapse(profile(ram_total_bytes=int(enough)), BARE, BASE), Envelope)


def test_surroundings_above_the_ceiling_leave_nothing_but_cooler_surroundings() -> None:
    thermal = Thermal(limit_celsius=60, ambient_celsius=65, resistance_celsius_per_watt=10)
    refused = impossible(profile(thermal=thermal, power=Power(idle_watts=1, busy_watts=3)))
    assert refused.binding is Constraint.THERMAL
    assert refused.relaxations == ("surroundings below 50.0 C instead of 65.0 C",)


@always
@given(thermal=thermals, power=powers(), rate_hz=floats(0.1, 100))
def test_every_relaxation_of_a_too_hot_idle_is_enough(thermal: Thermal, power: Power, rate_hz: float) -> None:
    made = profile(thermal=thermal, power=power, rate_hz=rate_hz)
    assume(isinstance(collapse(made, BARE, 0), Impossible))
    refused = impossible(made)
    assert refused.binding is Constraint.THERMAL
    for text in refused.relaxations:
        assert isinstance(collapse(_relaxed(made, text), BARE, 0), Envelope), text


@always
@given(battery=batteries, power=powers(), rate_hz=floats(0.1, 100))
def test_every_relaxation_of_a_too_small_battery_is_enough(battery: Battery, power: Power, rate_hz: float) -> None:
    made = profile(battery=battery, power=power, rate_hz=rate_hz)
    assume(isinstance(collapse(made, BARE, 0), Impossible))
    refused = impossible(made)
    assert refused.binding is Constraint.BATTERY
    assert "at any model size" in refused.reason
    for text in refused.relaxations:
        assert isinstance(collapse(_relaxed(made, text), BARE, 0), Envelope), text


HEAT = ("surroundings", "an idle draw", "a thermal resistance")
ANSWERS = (HEAT, ("a lifetime", "a battery", "an idle draw"), ("memory.total",))


@always
@given(
    thermal=st.none() | thermals,
    battery=st.none() | batteries,
    power=powers(),
    total=st.none() | st.integers(MIB, 80 * MIB),
)
def test_where_several_budgets_are_used_up_one_answer_for_each_is_enough(
    thermal: Thermal | None, battery: Battery | None, power: Power, total: int | None
) -> None:
    made = profile(thermal=thermal, battery=battery, power=power, ram_total_bytes=total)
    found = collapse(made, BARE, BASE)
    assume(isinstance(found, Impossible))
    assert isinstance(found, Impossible)
    assert len(set(found.relaxations)) == len(found.relaxations)
    hot = thermal is not None and (sustained_watts(made, BARE) or 0.0) <= 0  # no idle draw is low enough then
    each_for = (HEAT[:1], *ANSWERS[1:]) if hot else ANSWERS
    answers = [[text for text in found.relaxations if text.startswith(names)] for names in each_for]
    for chosen in itertools.product(*(each for each in answers if each)):
        relaxed = made
        for text in chosen:
            relaxed = _relaxed(relaxed, text)
        assert isinstance(collapse(relaxed, BARE, BASE), Envelope), chosen


def test_the_budget_that_is_exceeded_most_binds_and_the_reason_names_the_others_too() -> None:
    made = profile(
        ram_total_bytes=32 * MIB,  # 1.25 times
        power=Power(idle_watts=1, busy_watts=3),
        thermal=Thermal(limit_celsius=60, ambient_celsius=55, resistance_celsius_per_watt=10),  # 2 times
        battery=Battery(capacity_watt_hours=10, lifetime_s=36_000),  # 1.11 times
    )
    refused = impossible(made)
    assert refused.binding is Constraint.THERMAL
    heat, ram, battery = refused.reason.split("; ")
    assert "settles at 65.0 C" in heat
    assert ram == "the runtime alone takes 40 MiB, memory.total is 32 MiB"
    assert "10 h on 10 Wh" in battery
    assert [each for each in refused.relaxations if "idle" in each] == ["an idle draw below 497 mW"]
    assert impossible(replace(made, ram_total_bytes=MIB)).binding is Constraint.RAM_TOTAL


def _relaxed(made: Profile, text: str) -> Profile:
    """The profile after its owner did what `text` says, by a millionth more than the bound that it names."""
    match = re.fullmatch(r"(.*?) (below|above) (.+?)( instead of .*)?", text)
    assert match is not None, text
    what, nudge = match[1], 1 - 1e-6 if match[2] == "below" else 1 + 1e-6
    thermal, battery, power = made.thermal, made.battery, made.power
    if what == "surroundings":
        assert thermal is not None
        ambient = parse_quantity(match[3], Unit.CELSIUS) - 1e-6
        return replace(made, thermal=replace(thermal, ambient_celsius=ambient))
    if what == "a thermal resistance":
        assert thermal is not None
        resistance = parse_quantity(match[3], Unit.CELSIUS_PER_WATT) * nudge
        return replace(made, thermal=replace(thermal, resistance_celsius_per_watt=resistance))
    if what == "an idle draw":
        assert power is not None
        return replace(made, power=replace(power, idle_watts=parse_quantity(match[3], Unit.WATTS) * nudge))
    if what == "memory.total":
        return replace(made, ram_total_bytes=int(parse_quantity(match[3], Unit.BYTES)))
    assert battery is not None
    if what == "a lifetime":
        return replace(made, battery=replace(battery, lifetime_s=parse_quantity(match[3], Unit.SECONDS) * nudge))
    assert what == "a battery"
    capacity = parse_quantity(match[3], Unit.WATT_HOURS) * nudge
    return replace(made, battery=replace(battery, capacity_watt_hours=capacity))


@pytest.mark.parametrize(
    ("new", "old", "roomier"),
    [
        ({"latency_s": 1.0}, {"latency_s": 0.8}, True),
        ({"latency_s": 1.0}, {"latency_s": 0.9}, False),
        ({"latency_s": 0.5}, {"latency_s": 1.0}, False),
        ({}, {"ram_bytes": 8.0}, True),
        ({"ram_bytes": 8.0}, {}, False),
    ],
)
def test_an_envelope_is_roomier_where_one_cap_has_grown_enough(
    new: dict[str, float], old: dict[str, float], roomier: bool
) -> None:
    assert envelope(**new).roomier_than(envelope(**old), 0.85) is roomier
