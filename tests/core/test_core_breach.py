"""Inside the budget or not: one window, k of n of them, enough samples, and good windows in a row to be well again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Window
from agent.wire.profile import Battery, Power, Profile, Thermal
from controller.core.breach import detect, excesses, healthy, ram_cap_bytes
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.incident import BreachKind
from controller.core.policy import Policy
from tests.core.builders import BARE, MIB, always, profile, stored, window, windows

POLICY = Policy(breach_windows=3, breach_of=5, min_samples=10, healthy_windows=3)
DEADLINE = profile(deadline_s=0.020)
GOOD, BAD = {"latency_p95_ms": 12.0}, {"latency_p95_ms": 25.0}
FULL = profile(
    deadline_s=0.020,
    ram_total_bytes=64 * MIB,
    power=Power(idle_watts=0.5, busy_watts=2.5),
    thermal=Thermal(limit_celsius=60, ambient_celsius=25, resistance_celsius_per_watt=10, guard_celsius=5),
    battery=Battery(capacity_watt_hours=10, lifetime_s=36_000),  # 0.9 W
)


def kinds(made: Profile, measured: Window) -> set[BreachKind]:
    return {each.kind for each in excesses(made, BARE, measured)}


@pytest.mark.parametrize(
    ("measured", "found"),
    [
        ({"latency_p95_ms": 20.1}, {BreachKind.LATENCY}),
        ({"latency_p95_ms": 20.0}, set()),
        ({"ram_peak_bytes": 65 * MIB}, {BreachKind.MEMORY}),
        ({"temperature_celsius": 55.1}, {BreachKind.TEMPERATURE}),
        ({"temperature_celsius": 54.9}, set()),
        ({"power_watts": 1.0}, {BreachKind.BATTERY}),
        ({"power_watts": 1.0, "battery_discharging": True}, {BreachKind.BATTERY}),
        ({"power_watts": 1.0, "battery_discharging": False}, set()),
        ({"latency_p95_ms": None, "count": 0}, set()),
    ],
)
def test_what_is_outside_and_what_was_not_measured(measured: dict[str, float], found: set[BreachKind]) -> None:
    assert kinds(FULL, window(**measured)) == found


def test_a_rate_is_a_deadline_too() -> None:
    assert kinds(profile(rate_hz=50.0), window(latency_p95_ms=21.0)) == {BreachKind.LATENCY}


def test_nothing_declared_nothing_judged_but_the_rate() -> None:
    measured = window(temperature_celsius=99.0, power_watts=50.0, ram_peak_bytes=2**40)
    assert kinds(profile(), measured) == set()


@pytest.mark.parametrize(
    ("base", "cap"), [(None, 64 * MIB), (40 * MIB, 44 * MIB), (62 * MIB, 64 * MIB)]
)  # fmt: skip
def test_the_models_ram_cap_counts_once_its_base_is_measured(base: int | None, cap: int) -> None:
    made = profile(ram_total_bytes=64 * MIB, ram_model_bytes=4 * MIB)
    assert ram_cap_bytes(made, Calibration(ram_base_bytes=base)) == cap


@pytest.mark.parametrize(
    ("history", "breaches"),
    [
        ("ggg", False),
        ("bb", False),
        ("bbb", True),
        ("bgbgb", True),
        ("gbbgg", False),
        ("bbbgg", True),
        ("bbbggg", False),
    ],
)
def test_k_of_the_newest_n(history: str, breaches: bool) -> None:
    made = stored(*(window(at, **(BAD if each == "b" else GOOD)) for at, each in enumerate(history)))
    assert (detect(DEADLINE, BARE, made, POLICY) is not None) is breaches


def test_too_few_inferences_are_no_evidence() -> None:
    assert detect(DEADLINE, BARE, windows(5, count=1, **BAD), POLICY) is None
    assert detect(DEADLINE, BARE, windows(5, count=2, **BAD), POLICY) is not None


def test_the_most_frequent_kind_is_the_breach_and_the_evidence_has_the_figures() -> None:
    hot = {"temperature_celsius": 57.0}
    found = detect(FULL, BARE, stored(*(window(at, **hot, **(BAD if at > 1 else GOOD)) for at in range(5))), POLICY)
    assert found is not None
    assert found.kind is BreachKind.TEMPERATURE
    assert found.evidence == "temperature up to 57 C against 55 C in 5 of 5 windows"


def test_a_device_that_cools_down_after_a_burst_is_not_in_breach() -> None:
    falling = stored(*(window(at, temperature_celsius=60.0 - at) for at in range(5)))
    steady = windows(5, temperature_celsius=57.0)
    assert detect(FULL, BARE, falling, POLICY) is None
    assert detect(FULL, BARE, steady, POLICY) is not None


@pytest.mark.parametrize(
    ("history", "well"), [("gg", False), ("ggg", True), ("bggg", True), ("ggbg", False), ("ggi", False)]
)
def test_well_again_after_good_windows_in_a_row_that_served(history: str, well: bool) -> None:
    """`i`: an idle window that measured nothing; a silent device is not a repaired one."""
    each = {"g": GOOD, "b": BAD, "i": {"count": 0, "latency_p95_ms": None}}
    made = stored(*(window(at, **each[letter]) for at, letter in enumerate(history)))
    assert healthy(DEADLINE, BARE, made, POLICY) is well


@always
@given(st.lists(st.booleans(), max_size=12))
def test_a_breach_is_never_well_and_between_them_nothing_happens(history: list[bool]) -> None:
    """The hysteresis: what begins with three bad windows of five only ends with three good ones in a row."""
    made = stored(*(window(at, **(BAD if bad else GOOD)) for at, bad in enumerate(history)))
    assert (detect(DEADLINE, BARE, made, POLICY) is not None) is (sum(history[-5:]) >= 3)
    assert healthy(DEADLINE, BARE, made, POLICY) is (len(history) >= 3 and not any(history[-3:]))
