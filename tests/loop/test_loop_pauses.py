from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from controller.loop.pauses import Pauses


class Clock:
    """Each look at it takes `step_s`."""

    def __init__(self, step_s: float) -> None:
        self.step_s, self.now_s = step_s, 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_thawed")
@pytest.mark.parametrize(("took_s", "long"), [(0.005, 0), (0.3, 1)])
def test_what_survives_a_long_full_collection_is_set_aside(took_s: float, long: int) -> None:
    pauses = Pauses(Clock(took_s))
    pauses.watch()
    try:
        kept, before = [[] for _ in range(1000)], gc.get_freeze_count()
        gc.collect()
        assert pauses.count == long
        assert pauses.longest_s == pytest.approx(took_s)
        assert (gc.get_freeze_count() >= before + len(kept)) is bool(long)
    finally:
        pauses.end()


@pytest.mark.usefixtures("_thawed")
def test_a_collection_of_what_is_young_is_no_pause() -> None:
    pauses = Pauses(Clock(0.3))
    pauses.watch()
    gc.collect(1)
    pauses.end()
    gc.collect()
    assert (pauses.count, pauses.longest_s) == (0, 0.0)
