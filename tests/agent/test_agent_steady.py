"""Jumps: a glitch is left out, a change that lasts is withheld for one look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.steady import Steady
from agent.wire.ranges import POWER, TEMPERATURE


def believed(*values: float, step_s: float = 1.0) -> list[float]:
    steady = Steady(TEMPERATURE)
    return [each for at, each in enumerate(values) if not steady.why_not(each, at * step_s)]


def test_a_glitch_of_one_look_is_left_out_and_what_comes_after_it_is_not() -> None:
    assert believed(45.0, 45.5, 127.0, 45.6, 45.7) == [45.0, 45.5, 45.6, 45.7]
    assert believed(45.0, -40.0, 127.0, 46.0) == [45.0, 46.0]


def test_what_a_second_look_confirms_is_believed() -> None:
    assert believed(45.0, 120.0, 121.0, 122.0) == [45.0, 121.0, 122.0]


def test_a_processor_that_gets_to_work_heats_as_fast_as_they_do() -> None:
    assert believed(40.0, 95.0, 50.0) == [40.0, 95.0, 50.0]


def test_after_a_long_sleep_anything_may_have_come() -> None:
    assert believed(20.0, 95.0, step_s=600.0) == [20.0, 95.0]


def test_power_may_jump() -> None:
    steady = Steady(POWER)
    assert not any(steady.why_not(watts, 0.0) for watts in (0.1, 4_000.0, 0.0))


def test_the_reason_says_what_became_what() -> None:
    steady = Steady(TEMPERATURE)
    steady.why_not(45.0, 0.0)
    assert steady.why_not(127.0, 1.0) == "45 C became 127 C at once"


@given(st.lists(st.floats(-60, 150), max_size=10), st.floats(-60, 150))
def test_nothing_keeps_what_lasts_from_being_believed_at_the_second_look(before: list[float], now: float) -> None:
    steady = Steady(TEMPERATURE)
    for at, value in enumerate(before):
        steady.why_not(value, float(at))
    steady.why_not(now, 10.0)
    assert steady.why_not(now, 11.0) == ""
