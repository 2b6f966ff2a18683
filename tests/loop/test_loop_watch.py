"""Who is to be looked at: at once, when its moment comes, or after all others."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from controller.loop.timers import Timers
from controller.loop.watch import Watch


def taken(watch: Watch) -> list[str]:
    found = list[str]()
    while (device := watch.take()) is not None:
        found.append(device)
    return found


def test_who_was_woken_for_later_comes_after_everybody_and_nobody_twice() -> None:
    watch = Watch()
    watch.wake_later(["a", "b", "c"])
    watch.wake(["c", "d"])
    watch.wake_later(["a"])
    assert taken(watch) == ["c", "d", "a", "b"]
    assert not watch.busy


def test_a_moment_comes_once_and_never_is_never() -> None:
    watch = Watch()
    watch.at("a", 10.0)
    watch.at("b", math.inf)
    watch.tick(9.9)
    assert taken(watch) == []
    watch.tick(10.0)
    watch.tick(11.0)
    assert taken(watch) == ["a"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=20), st.floats(0, 100))
def test_nobody_is_told_later_than_the_earliest_of_its_moments(set_: list[tuple[str, float]], now_s: float) -> None:
    timers, earliest = Timers(), dict[str, float]()
    for key, due_s in set_:
        timers.at(key, due_s)
        earliest[key] = min(due_s, earliest.get(key, math.inf))
    assert set(timers.due(now_s)) == {key for key, due_s in earliest.items() if due_s <= now_s}
