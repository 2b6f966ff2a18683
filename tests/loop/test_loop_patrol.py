"""The slow round past all devices."""

from __future__ import annotations

from controller.loop.patrol import Patrol

FLEET = [f"d{at}" for at in range(1000)]


def test_a_hundredth_of_the_fleet_is_looked_at_each_second_and_all_of_it_in_the_end() -> None:
    patrol, seen = Patrol(), list[str]()
    for second in range(101):
        seen += patrol.next(FLEET, len(FLEET), float(second))
    assert seen == FLEET


def test_after_a_long_pause_no_turn_is_long() -> None:
    patrol = Patrol()
    patrol.next(FLEET, len(FLEET), 0.0)
    assert len(patrol.next(FLEET, len(FLEET), 10_000.0)) == 20


def test_a_small_fleet_is_not_looked_at_more_often_than_that() -> None:
    patrol = Patrol()
    looked = [len(patrol.next(FLEET[:5], 5, at / 2)) for at in range(200)]
    assert sum(looked) == 4
