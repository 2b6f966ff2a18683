from __future__ import annotations

from contextlib import suppress

import pytest
import yaml
from fleet import PROFILE
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.declarable import RANGES, refuse_implausible
from agent.wire.errors import WireError
from agent.wire.profile import accepted_profile, parse_profile
from agent.wire.section import At, load_yaml
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
        ("device: a\nlabels:\n  site:", "p:3: labels.site: a text is expected here; write it in quotes"),
        ("device: a\nlabels: {site: [a, b]}", "p:2: labels.site: a text is expected here"),
        ("device: a\nlabels: {country: null}", "p:2: labels.country: a text is expected here; write it in quotes"),
        ("device: a\nlabels: {id: x}", "p:2: labels.id: a name is needed here, other than id and class"),
        ("device: a\nlabels: {class: x}", "p:2: labels.class: a name is needed here, other than id and class"),
        ("device: a\nlabels: {'': x}", r"p:2: labels\.: a name is needed here"),
        ('device: a\nlabels: {site: "a\\nb"}', r"p:2: labels.site: 'a\\nb': printable characters are allowed"),
        ('device: a\nlabels: {"\\e[2J": b}', r"p:2: labels.*: printable characters are allowed"),
        ("device: a\nclass:", "p:2: class: a text is expected here; write it in quotes"),
        ('device: a\nclass: "a\\tb"', "p:2: class: .*printable characters are allowed"),
        ("device: 007", "p:1: device: YAML reads 007 as 7; write it in quotes"),
        ("device: 0x1f", "p:1: device: YAML reads 0x1f as 31; write it in quotes"),
        ("device: a\nspeed: 010", "p:2: speed: YAML reads 010 as 8; write it in quotes"),
        ("device: a\nspeed: 1:30", "p:2: speed: '1:30' is not a number of share"),
        ("device: a\nrate: 1e12 Hz", "p:2: rate: '1e12 Hz' cannot be: 0.001 /h to 1000 kHz is allowed"),
        ("device: a\ndeadline: 1e-9 s", "p:2: deadline: '1e-9 s' cannot be: 1 us to 7 d is allowed"),
        ("device: a\nmemory: {model: 1 B}", "p:2: memory.model: '1 B' cannot be: 64 B to 16384 GiB is allowed"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_key_and_what_is_allowed(text: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse_profile(text, "p")


def test_a_label_is_the_text_that_was_written() -> None:
    text = "device: a\nclass: 1.10\nlabels: {country: NO, fw: 1.10, tested: yes, at: 010, on: 2020-01-01, q: 'null'}"
    profile = parse_profile(text)
    assert profile.device_class == "1.10"
    assert profile.labels == {
        "country": "NO", "fw": "1.10", "tested": "yes", "at": "010", "on": "2020-01-01", "q": "null",
    }  # fmt: skip


@pytest.mark.parametrize("path", list(RANGES))
def test_a_figure_is_allowed_to_its_bounds_and_not_beyond(path: str) -> None:
    for bound, beyond in ((RANGES[path].least, -1), (RANGES[path].most, 1)):
        refuse_implausible(_only(path, bound))
        number, _, unit = bound.partition(" ")
        outside = f"{float(number) + beyond * (abs(float(number)) * 0.01 + 1e-6)!r} {unit}"
        with pytest.raises(WireError, match=rf"^p:\d: {path}: '{outside}' cannot be: .* to .* is allowed$"):
            refuse_implausible(_only(path, outside))


def _only(path: str, figure: str) -> At:
    section, _, key = path.rpartition(".")
    return load_yaml(yaml.safe_dump({section: {key: figure}} if section else {key: figure}), "p")


@pytest.mark.parametrize(
    "text",
    [
        "device: a\nrate: 1e12 Hz",
        "device: a\nspeed: 010",
        "device: 007",
        "device: a\nclass:",
        "device: a\nlabels: {id: x, site: , list: [a], '': b}",
    ],
)
def test_what_was_accepted_before_can_be_read_for_ever(text: str) -> None:
    with pytest.raises(WireError):
        parse_profile(text)
    accepted_profile(text)


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
