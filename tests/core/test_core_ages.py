"""When windows were closed, as the controller has it: whatever a device says, within what can be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Telemetry, Window
from agent.wire.plausible import sensible, why_no_age
from agent.wire.ranges import OLDEST_S
from controller.core.ages import Closed, closings
from controller.core.policy import Policy
from controller.core.repeats import FURTHEST, came_before

NOW, DAY_S = 1_800_000_000.0, 86_400.0
POLICY = Policy(history_s=1800)


def window(seq: int = 1, **fields: float | None) -> Window:
    return Window(seq=seq, **{"duration_s": 30.0, **fields})  # type: ignore[arg-type]


def closed(*windows: Window, now_s: float | None = None) -> list[Closed]:
    message = Telemetry(device="cam", boot="b", windows=[*windows], now_s=now_s)
    found = [sensible(each)[0] for each in windows]
    checked = [msgspec.structs.replace(w, closed_s=None) if why_no_age(w, now_s) else w for w in found]
    return closings(message, checked, NOW, POLICY)


def test_the_age_is_that_of_the_devices_steady_clock_whatever_its_other_one_says() -> None:
    found = closed(window(closed_s=1000.0, wall_unix_s=5.0), window(2, closed_s=1030.0, wall_unix_s=9e9), now_s=1040.0)
    assert found == [Closed(NOW - 40, history=False), Closed(NOW - 10, history=False)]


def test_what_is_older_than_any_device_holds_back_is_history() -> None:
    week = [window(at, closed_s=at * DAY_S) for at in range(8)]
    found = closed(*week, now_s=7 * DAY_S)
    assert [each.unix_s for each in found] == [NOW - (7 - at) * DAY_S for at in range(8)]
    assert [each.history for each in found] == [True] * 7 + [False]


@pytest.mark.parametrize(
    ("wall_unix_s", "closed_unix_s"),
    [
        (NOW - 7 * DAY_S, NOW - 7 * DAY_S),
        (None, NOW - 60),
        (0.0, NOW - 60),  # a board without a battery for its clock
        (NOW - 5, NOW - 60),  # after the boot: it was closed before that
        (NOW + DAY_S, NOW - 60),
    ],
)
def test_of_an_earlier_boot_it_is_history_and_the_other_clock_says_where_to_put_it_if_that_can_be(
    wall_unix_s: float | None, closed_unix_s: float
) -> None:
    assert closed(window(wall_unix_s=wall_unix_s), now_s=60.0) == [Closed(closed_unix_s, history=True)]


def test_of_an_older_agent_it_is_at_least_as_old_as_what_came_after_it_is_long() -> None:
    found = closed(*(window(at, wall_unix_s=5.0) for at in range(100)))
    assert (found[-1], found[-2]) == (Closed(NOW, history=False), Closed(NOW - 30, history=False))
    assert [each.history for each in found] == [True] * 39 + [False] * 61


FORGED = (-5.0, 1e300, 5e9, 1e12)


@pytest.mark.parametrize("forged", FORGED)
def test_an_age_that_cannot_be_is_told_and_no_age(forged: float) -> None:
    for each, now_s in ((window(closed_s=forged), 100.0), (window(closed_s=50.0), forged)):
        found, reasons = sensible(each)
        assert reasons or why_no_age(found, now_s)
        assert closed(each, now_s=now_s) == [Closed(NOW, history=False)], "as of an agent that tells none"


figures = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(figures, figures, figures), min_size=1, max_size=5), figures)
def test_no_message_puts_a_window_into_the_future_or_further_back_than_any_spool(
    told: list[tuple[float | None, float | None, float | None]], now_s: float | None
) -> None:
    found = closed(*(window(duration_s=d, closed_s=c, wall_unix_s=w) for d, c, w in told), now_s=now_s)
    assert len(found) == len(told)
    assert all(NOW - OLDEST_S <= each.unix_s <= NOW for each in found)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_no_number_makes_a_device_deaf_for_longer_than_repeats_reach(newest: int, seq: int) -> None:
    assert not came_before(newest + 1, newest)
    assert came_before(newest, newest)
    assert came_before(seq, newest) == (0 <= newest - seq <= FURTHEST)
