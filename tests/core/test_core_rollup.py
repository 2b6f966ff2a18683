"""Windows into hours: nothing hangs on where a slice ends, and a figure is what some window said, or between two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.messages import Window
from controller.core.nouns.rollup import Rollup
from controller.core.rollup import Came, hour_of, median_of, not_heard_s, with_windows

EMPTY = Rollup(device="a", hour_unix_s=7200, sha256="s")
figures = st.none() | st.floats(-50, 1e6, allow_nan=False)
windows = st.builds(
    Window,
    seq=st.just(1),
    duration_s=st.none() | st.floats(0, 900),
    count=st.none() | st.integers(0, 10**6),
    errors=st.none() | st.integers(0, 10**6),
    latency_p50_ms=figures,
    latency_p95_ms=figures,
    temperature_celsius=figures,
    power_watts=figures,
    power_source=st.sampled_from([None, "measured", "modelled"]),
    throttled_share=st.none() | st.floats(0, 1),
)
many = st.lists(st.tuples(windows, st.booleans()), max_size=20)


def came(told: Sequence[tuple[Window, bool]]) -> list[Came]:
    return [Came(row_id, window, outside) for row_id, (window, outside) in enumerate(told, 1)]


@given(told=many, cuts=st.lists(st.integers(0, 20)))
def test_in_any_slices_as_at_once(told: list[tuple[Window, bool]], cuts: list[int]) -> None:
    at_once, sliced = with_windows(EMPTY, came(told)), EMPTY
    edges = [0, *sorted(min(cut, len(told)) for cut in cuts), len(told)]
    for start, end in pairwise(edges):
        sliced = with_windows(sliced, came(told)[start:end])
    assert sliced == at_once


@given(told=many, again=st.integers(0, 20))
def test_windows_that_are_in_it_change_nothing(told: list[tuple[Window, bool]], again: int) -> None:
    once = with_windows(EMPTY, came(told))
    assert with_windows(once, came(told)[:again]) == once


@given(values=st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=50))
def test_the_median_is_that_of_the_windows_to_within_5_percent(values: list[float]) -> None:
    told = [(Window(seq=1, duration_s=1.0, temperature_celsius=value), False) for value in values]
    spread = with_windows(EMPTY, came(told)).spreads["temperature_celsius"]
    assert (spread.lowest, spread.highest) == (min(values), max(values))
    assert median_of(spread) == pytest.approx(median_low(values), rel=0.05, abs=1e-300)


def test_what_an_hour_was_like() -> None:
    hot = Window(seq=1, duration_s=60.0, count=10, errors=1, power_watts=2.0, throttled_share=0.5)
    modelled = Window(seq=2, duration_s=30.0, count=None, power_watts=4.0, power_source="modelled")
    found = with_windows(EMPTY, came([(hot, True), (modelled, False)]))
    assert (found.windows, found.count, found.errors, found.upto_id) == (2, 10, 1, 2)
    assert (found.heard_s, found.outside_s, found.throttled_s) == (90.0, 60.0, 30.0)
    assert found.joules == {"measured": 120.0, "modelled": 120.0}
    assert not_heard_s([found, found]) == 3600.0 - 180.0
    assert not_heard_s([found], 60.0) == 0.0


def test_an_hour_is_of_the_clock() -> None:
    assert [hour_of(each) for each in (7199.9, 7200.0, 10799.0)] == [3600, 7200, 7200]
