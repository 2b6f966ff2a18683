"""A turn is over soon, whatever its writing costs: it decides for less time where that is dear."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from controller.core.pace import MOST_S, REMEMBERED, TURN_S, Cost, deciding_s

LEAST_S = 0.005


def test_on_a_disk_that_costs_nothing_it_decides_as_long_as_it_may() -> None:
    assert deciding_s([], 0.0) == deciding_s([Cost(MOST_S, 0.0)] * 9, 0.0) == MOST_S


def test_one_dear_turn_is_enough_and_is_forgotten_in_time() -> None:
    lately = deque([Cost(MOST_S, 0.01)] * REMEMBERED, maxlen=REMEMBERED)
    before_s = deciding_s(lately, 0.0)
    lately.append(Cost(MOST_S, 0.4))
    assert deciding_s(lately, 0.0) < before_s / 4
    lately.extend([Cost(LEAST_S, 0.001)] * REMEMBERED)
    assert deciding_s(lately, 0.0) == before_s


def test_turns_that_did_next_to_nothing_say_nothing() -> None:
    assert deciding_s([Cost(0.0, 0.02), Cost(0.0001, 0.02)], 0.0) == MOST_S


@given(st.floats(0, 10), st.floats(0, 1), st.floats(0, 0.2))
def test_there_is_always_some_time_to_decide(worked_s: float, rest_s: float, taken_s: float) -> None:
    assert LEAST_S <= deciding_s([Cost(worked_s, rest_s)], taken_s) <= MOST_S


@given(
    st.floats(0, 0.06),
    st.floats(0, 12),
    st.floats(0, 0.02),
    st.lists(st.floats(0.1, 1), min_size=4, max_size=60),
)
def test_from_the_third_turn_on_none_is_long(each_s: float, times: float, taken_s: float, shares: list[float]) -> None:
    """Writing costs something for each turn, and for what was decided in it; some turns have less to do than they may.
    Where not even the least can be written in time, no turn does more than that."""
    lately, before = deque[Cost](maxlen=REMEMBERED), list[Cost]()
    for share in shares:
        worked_s = taken_s + max(deciding_s(lately, taken_s) * share, LEAST_S)
        cost = Cost(worked_s, each_s + times * worked_s)
        lately.append(cost)
        before.append(cost)
    least_s = each_s + (1 + times) * (taken_s + LEAST_S)
    for cost in before[2:]:
        assert cost.worked_s + cost.rest_s <= max(TURN_S, least_s) + 1e-9
