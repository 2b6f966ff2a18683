"""Which wish for a better variant comes first."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.core.gain import gains
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job
from controller.core.nouns.work import Prediction, Prune
from tests.core.builders import MODEL, always


def wish(name: str, latency_s: float, win: float, against: str = "tiny") -> Job:
    told = Prediction(against=against, win=win, high=win + 0.01, error=0.005)
    return Job(id=name, model=MODEL.ref, work=Prune(Caps(latency_s=latency_s), told))


def test_what_serves_many_well_wins_more_than_what_serves_one_best() -> None:
    wishes = [wish("roomy", 9.0, 0.05), wish("middle", 5.0, 0.04), wish("tight", 1.0, 0.01)]
    won = gains(wishes)
    assert max(won, key=won.__getitem__) == "middle"
    assert won == {"roomy": 0.05, "middle": 0.04 * 2, "tight": 0.01 * 3}


def test_what_runs_another_variant_by_now_or_another_model_is_not_counted() -> None:
    other = replace(wish("other", 9.0, 0.01), model="other@1")
    won = gains([wish("middle", 5.0, 0.04), wish("served", 9.0, 0.01, against="mid"), other])
    assert won["middle"] == 0.04


def test_a_wish_that_nothing_is_predicted_of_is_not_weighed() -> None:
    assert gains([replace(wish("unknown", 1.0, 0.1), work=Prune(Caps(latency_s=1.0)))]) == {}


@always
@given(st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(-0.1, 0.1)), min_size=65, max_size=200))
def test_of_very_many_some_are_weighed_the_most_promising_among_them(rows: list[tuple[float, float]]) -> None:
    wishes = [wish(f"w{at}", latency_s, win) for at, (latency_s, win) in enumerate(rows)]
    won = gains(wishes)
    best = max(win for _, win in rows)
    assert len(won) == 64
    assert any(win == best for at, (_, win) in enumerate(rows) if f"w{at}" in won)
    assert all(0 <= value <= max(best, 0.0) * len(rows) + 1e-9 for value in won.values())
