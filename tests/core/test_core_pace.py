"""A turn is over soon, whatever its writing costs: it decides for less time where that is dear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.pace import LEAST_S, MOST_S, TURN_S, Cost, deciding_s


def played(each_s: float, times: float, shares: list[float]) -> list[Cost]:
    """Turns whose writing takes `each_s`, and `times` as long as what was decided; of the time to decide so much is
    needed."""
    might_s, costs = MOST_S, list[Cost]()
    for share in shares:
        decided_s = might_s * share
        costs.append(Cost(decided_s, decided_s + each_s + times * decided_s))
        might_s = deciding_s(might_s, costs[-1])
    return costs


def test_on_a_disk_that_costs_nothing_it_decides_as_long_as_it_may() -> None:
    assert {each.decided_s for each in played(0.0, 0.0, [1.0] * 9)} == {MOST_S}


@pytest.mark.parametrize("each_s", [0.02, 0.05, 0.08, 0.3])
def test_a_disk_whose_sync_is_slow_leaves_time_to_decide(each_s: float) -> None:
    """Deciding less makes that no quicker."""
    assert played(each_s, 0.5, [1.0] * 50)[-1].decided_s >= max(LEAST_S, min(0.9 * (0.08 - each_s) / 1.5, MOST_S))


def test_a_disk_that_stumbles_once_is_believed_again_soon() -> None:
    might_s = deciding_s(MOST_S, Cost(MOST_S, 0.4))
    assert might_s == MOST_S / 2
    for _ in range(8):
        might_s = deciding_s(might_s, Cost(might_s, 1.2 * might_s))
    assert might_s == MOST_S


def test_turns_that_had_little_to_do_say_nothing_of_more() -> None:
    assert deciding_s(0.02, Cost(0.001, 0.01)) == 0.02


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 1))
def test_there_is_always_some_time_to_decide(decided_s: float, more_s: float, might_s: float) -> None:
    assert LEAST_S <= deciding_s(might_s, Cost(decided_s, decided_s + more_s)) <= MOST_S


@given(st.floats(0, 0.06), st.floats(0, 12), st.lists(st.floats(0.1, 1), min_size=4, max_size=60))
def test_from_the_third_turn_in_full_on_none_is_long(each_s: float, times: float, shares: list[float]) -> None:
    """Where not even the least can be written in time, no turn does more than that."""
    costs = played(each_s, times, [1.0, 1.0, *shares])[2:]
    assert max(each.took_s for each in costs) <= max(TURN_S, each_s + (1 + times) * LEAST_S) + 1e-9
