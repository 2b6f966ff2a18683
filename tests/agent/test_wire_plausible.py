"""What a device's figures can be, and what of them is struck out."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import plausible
from agent.wire.bounded import read_telemetry
from agent.wire.messages import Telemetry, Trial, Window, encode
from agent.wire.plausible import sensible
from agent.wire.ranges import CHARGE, FIELDS, LATENCY, POWER, TEMPERATURE, Range

GOOD = Window(
    seq=3, duration_s=5.0, count=50, latency_p50_ms=3.0, latency_p95_ms=4.0, latency_p99_ms=5.0, busy_share=0.2,
    temperature_celsius=55.5, temperature_max_celsius=56.0, temperature_mean_celsius=55.0, power_watts=1.5,
    power_source="measured", energy_per_inference_joules=0.15, battery_percent=80.0, battery_discharging=True,
)  # fmt: skip
NUMBERS = [name for name in FIELDS if name in Window.__struct_fields__]


@pytest.mark.parametrize(
    ("allowed", "value", "can_be"),
    [
        (TEMPERATURE, 127_850.0, False),
        (TEMPERATURE, 2147483.647, False),
        (TEMPERATURE, -400.0, False),
        (TEMPERATURE, -273.15, False),
        (TEMPERATURE, 0.0, True),
        (TEMPERATURE, -40.0, True),
        (TEMPERATURE, 125.0, True),
        (POWER, 99_999_999.999999, False),
        (POWER, -7.0, False),
        (POWER, 1e14, False),
        (POWER, 0.0003, True),
        (CHARGE, 117.0, False),
        (CHARGE, -20.0, False),
        (CHARGE, 100.00000000000001, True),  # 100 * x / x
        (LATENCY, 0.0, False),
        (LATENCY, -1.0, False),
        (LATENCY, 0.001, True),
        (CHARGE, math.nan, False),
        (POWER, math.inf, False),
    ],
)
def test_what_can_be(allowed: Range, value: float, can_be: bool) -> None:
    assert (allowed.why_not(value) == "") is can_be


def test_the_reason_names_value_range_and_unit() -> None:
    assert TEMPERATURE.why_not(127_850.0) == "127850 C is outside -60 to 150 C"


def test_a_window_that_can_be_is_left_alone() -> None:
    assert sensible(GOOD) == (GOOD, ())
    assert sensible(Window(seq=1, duration_s=0.0)) == (Window(seq=1, duration_s=0.0), ())


def test_what_follows_from_a_struck_figure_goes_with_it() -> None:
    found, reasons = sensible(msgspec.structs.replace(GOOD, power_watts=6_000.0))
    assert reasons == ("power_watts: 6000 W is outside 0 to 5000 W",)
    assert (found.power_watts, found.power_source, found.energy_per_inference_joules) == (None, None, None)
    assert found == msgspec.structs.replace(GOOD, power_watts=None, power_source=None, energy_per_inference_joules=None)


@pytest.mark.parametrize(
    ("changed", "struck"),
    [
        ({"latency_p50_ms": 9.0}, {"latency_p50_ms", "latency_p95_ms"}),
        ({"temperature_mean_celsius": 70.0}, {"temperature_mean_celsius", "temperature_max_celsius"}),
        ({"count": 2**63 - 1}, {"count", "energy_per_inference_joules"}),
        ({"count": 6_000_000}, {"count"}),
        ({"duration_s": -5.0}, {"duration_s", "busy_share", "energy_per_inference_joules"}),
        ({"power_source": "guessed"}, {"power_source"}),
    ],
)
def test_figures_that_contradict_each_other_are_struck_together(changed: dict[str, float], struck: set[str]) -> None:
    found, reasons = sensible(msgspec.structs.replace(GOOD, **changed))
    gone = {
        name for name in Window.__struct_fields__ if getattr(found, name) is None and getattr(GOOD, name) is not None
    }
    assert struck <= gone
    assert len(reasons) >= 1


def test_an_unknown_source_of_a_latency_is_said_to_be_unknown() -> None:
    found, _ = sensible(msgspec.structs.replace(GOOD, latency_source="x" * 10_000))
    assert found.latency_source == "unknown"
    assert sensible(found) == (found, ())


def test_a_trial_is_held_to_the_same() -> None:
    found, reasons = sensible(
        Trial(sha256="a", passed=True, latency_p50_ms=-1.0, latency_p95_ms=8.0, ram_peak_bytes=2**60)
    )
    assert (found.latency_p50_ms, found.latency_p95_ms, found.ram_peak_bytes) == (None, 8.0, None)
    assert len(reasons) == 2


figures = st.one_of(st.none(), st.floats(allow_nan=False), st.sampled_from([-1.0, 0.0, 1e14, 1e300, -400.0, 50.0]))


@given(st.fixed_dictionaries({name: figures for name in NUMBERS if name not in ("count", "errors")}))
def test_whatever_is_said_the_rest_can_be_nothing_is_invented_and_twice_is_as_once(said: dict[str, float]) -> None:
    window = Window(seq=1, **said)
    found, reasons = sensible(window)
    for name in NUMBERS:
        value = getattr(found, name)
        assert value is None or (value == getattr(window, name) and FIELDS[name].why_not(value) == "")
    assert bool(reasons) == (found != window)
    assert sensible(found) == (found, ())


@given(
    st.fixed_dictionaries(
        {name: st.sampled_from([None, 0.0, 0.5, 1.0, 2.0, 50.0, -1.0, 1e300]) for name in NUMBERS}
        | {"power_source": st.sampled_from([None, "measured", "guessed"])}
    )
)
def test_a_glance_passes_nothing_that_a_look_would_not(said: dict[str, float]) -> None:
    window = Window(seq=1, **said)
    looked = {**dict(plausible._impossible(window)), **dict(plausible._contradictory(window, {}))}
    if plausible._is_sound(window):
        assert looked == {}


@given(
    st.fixed_dictionaries(
        {name: st.sampled_from([None, 0, 1, 50, -1, 2**41]) for name in NUMBERS}
        | {"power_source": st.sampled_from([None, "measured", "guessed"])}
    )
)
def test_what_is_read_as_bounded_has_no_figure_that_cannot_be_and_nothing_else_is_refused(said: dict[str, Any]) -> None:
    told = Telemetry(device="cam", boot="b", windows=[GOOD, Window(seq=2, **said)], now_s=3.0)
    found = read_telemetry(encode(told))
    assert (found is not None) == (not any(True for each in told.windows for _ in plausible._impossible(each)))
    if found is not None:
        assert msgspec.to_builtins(found) == msgspec.to_builtins(told)
        assert [sensible(each)[1] for each in found.windows] == [sensible(each)[1] for each in told.windows]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"device":"cam"}', b"\xff", b"[" * 100_000])
def test_what_is_no_telemetry_is_not_read_as_bounded(payload: bytes) -> None:
    assert read_telemetry(payload) is None


def test_figures_of_load_are_held_to_what_can_be() -> None:
    load = {"asked": 5, "shed": 6, "host_busy_share": 1.5, "pressure_share": -0.1, "queue_p95_ms": -1.0}
    found, reasons = sensible(msgspec.structs.replace(GOOD, **load))
    assert [getattr(found, name) for name in load] == [None] * len(load)
    assert len(reasons) == len(load)
