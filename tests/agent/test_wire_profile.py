from __future__ import annotations

from contextlib import suppress

import pytest
from fleet import PROFILE
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from agent.wire.units import Unit, format_quantity, parse_quantity


def test_a_profile_is_read_into_si_units() -> None:
    profile = parse_profile(PROFILE)
    assert (profile.device, profile.device_class, profile.deadline_s) == ("dev-1", "board", 0.04)
    assert profile.ram_total_bytes == 96 * 2**20
    assert profile.thermal is not None
    assert profile.thermal.resistance_celsius_per_watt == 8
    assert profile.battery is not None
    assert profile.battery.lifetime_s == 5 * 3600


def test_the_resistance_follows_from_the_data_sheet() -> None:
    thermal_text = "thermal: {limit: 80 C, ambient: 45 C, tdp: 6 W, rated_ambient: 25 C}"
    text = f"device: a\npower: {{idle: 2.7 W, busy: 6 W}}\n{thermal_text}"
    thermal = parse_profile(text).thermal
    assert thermal is not None
    assert thermal.resistance_celsius_per_watt == pytest.approx(55 / 6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "p:1: the file is empty"),
        ("- a", "p:1: a mapping of keys is expected here"),
        ("a: [", "p:1: not YAML"),
        ("rate: 5 Hz", "p:1: 'device' is missing"),
        ("device: A", "p:1: device: device id 'A': 1 to 64 of"),
        ("device: a\ncolour: red", "p:2: colour: unknown key; allowed here: device, class"),
        ("device: a\ndevice: b", "p:2: device: stands here twice"),
        ("device: a\nmemory:\n  total: 24", "p:3: memory.total: 24 is not a number of bytes: write a number"),
        ("device: a\nmemory: {total: -1 MB}", "p:2: memory.total: '-1 MB': must be above 0"),
        ("device: a\ndeadline: 40", "number of seconds: write a number and one of us, ms, s"),
        ("device: a\nruntime: tflite", "p:2: runtime: 'tflite': one of onnxruntime, ncnn is allowed"),
        ("device: a\npower: {idle: 2 W, busy: 1 W}", "p:2: power: busy .1 W. must be above idle"),
        ("device: a\npower: {idle: 2 W}", "p:2: power: 'busy' is missing"),
        ("device: a\nbattery: {capacity: 9 Wh, lifetime: 5 h}", "need 'power"),
        ("device: a\npower: {idle: 1 W, busy: 2 W}\nthermal: {limit: 60 C, ambient: 20 C}", "p:3: thermal: give"),
        ("device: a\nlabels: [x]", "p:2: labels: a mapping of names"),
        ("device: a\nmemory: 5 MB", "p:2: memory: a mapping of keys is expected"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_key_and_what_is_allowed(text: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse_profile(text, "p")


@given(st.sampled_from(list(Unit)), st.floats(1e-3, 1e6))
def test_a_figure_in_words_is_read_back_to_three_digits(unit: Unit, value: float) -> None:
    text = format_quantity(value, unit)
    if unit is Unit.BYTES and value < 1:
        return
    assert parse_quantity(text, unit) == pytest.approx(value, rel=0.06)


@given(st.sampled_from(list(Unit)), st.floats(allow_nan=False))
def test_any_figure_has_a_short_form(unit: Unit, value: float) -> None:
    assert len(format_quantity(value, unit)) <= 16


@given(st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none()))
def test_any_value_is_a_quantity_or_refused(value: object) -> None:
    with suppress(WireError):
        parse_quantity(value, Unit.SHARE)
