"""The ladder: nothing on it is beaten in everything, nothing off it is better in anything that can be told apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.ladder import ladder
from controller.core.nouns.variant import Precision, Variant
from tests.core.builders import DENSE, always, floats, variant


def made(name: str, share: float, accuracy: float = 0.9, half: float = 0.005, **fields: Any) -> Variant:
    return variant(
        name, share, accuracy=accuracy, accuracy_low=accuracy - half, accuracy_high=accuracy + half, **fields
    )


def shown(*variants: Variant) -> list[str]:
    return [rung.variant.sha256 for rung in ladder(variants)]


def test_nothing_measured_is_no_ladder_and_dense_alone_is_one_rung() -> None:
    assert ladder(()) == ()
    (only,) = ladder((DENSE,))
    assert (only.speedup, only.saved_share) == (1.0, 0.0)


def test_what_is_worse_in_everything_is_left_out_and_what_is_better_in_one_thing_is_not() -> None:
    half, worse = made("half", 0.5, 0.93), made("worse", 0.6, 0.91)
    assert shown(DENSE, half, worse) == ["dense", "half"]
    lean = made("lean", 0.6, 0.91, ram_bytes=1)
    assert shown(DENSE, half, lean) == ["dense", "lean", "half"]


def test_dense_is_shown_even_where_it_is_beaten_in_everything() -> None:
    assert shown(made("better", 0.5, 0.99), DENSE) == ["dense", "better"]


@pytest.mark.parametrize(("low", "kept"), [(0.019, ["dense", "small"]), (0.021, ["dense", "large", "small"])])
def test_of_accuracies_that_the_paired_intervals_do_not_tell_apart_the_smaller_is_kept(
    low: float, kept: list[str]
) -> None:
    """Their own intervals overlap widely; that the same inputs were judged is what tells more."""
    large = made("large", 0.6, 0.93, 0.05, drop=0.01, drop_low=0.0, drop_high=0.02)
    small = made("small", 0.5, 0.91, 0.05, drop=0.03, drop_low=low, drop_high=0.04)
    assert shown(DENSE, large, small) == kept


def test_a_latency_is_told_apart_from_three_percent_on() -> None:
    for faster, kept in ((0.98, ["dense", "small"]), (0.96, ["dense", "small", "large"])):
        small = made("small", 0.5)
        large = made("large", 0.6, latency_p50_s=small.latency_p50_s * faster, latency_p95_s=0.001)
        assert shown(DENSE, large, small) == kept


def test_a_chain_of_ties_does_not_leave_the_last_alone() -> None:
    """Each is 2% faster than the next smaller one, the largest 8%: that is no tie."""
    chain = [made(f"v{at}", 0.5 + 0.01 * at, latency_p50_s=0.005 * 0.98**at) for at in range(5)]
    assert shown(DENSE, *chain) == ["dense", "v0", "v2", "v4"]


def test_unverified_variants_are_only_held_against_what_kept_as_much() -> None:
    bare = {"accuracy": None, "accuracy_low": None, "accuracy_high": None}
    small, large = variant("small", 0.5, **bare), variant("large", 0.7, **bare)
    rounded = variant("rounded", 0.7, **bare | {"precision": Precision.INT8, "size_bytes": 10})
    assert shown(small, large, rounded) == ["large", "rounded", "small"]


some = st.builds(
    made, st.uuids().map(str), floats(0.02, 0.99), floats(0.5, 1.0), floats(0.0, 0.05),
    precision=st.sampled_from(Precision), ram_bytes=st.integers(1, 10**7), latency_p50_s=floats(1e-4, 1e-1),
)  # fmt: skip


@always
@given(st.lists(some, max_size=10))
def test_every_variant_is_on_the_ladder_or_held_by_a_rung_that_is_no_larger(variants: list[Variant]) -> None:
    rungs = [rung.variant for rung in ladder([DENSE, *variants])]
    assert rungs[0] == DENSE
    assert len({rung.sha256 for rung in rungs}) == len(rungs)
    latencies = [rung.latency_p50_s for rung in rungs[1:]]
    assert latencies == sorted(latencies, reverse=True)
    for each in variants:
        assert each in rungs or any(
            rung.size_bytes <= each.size_bytes
            and rung.ram_bytes <= each.ram_bytes * 1.03
            and rung.latency_p50_s <= each.latency_p50_s * 1.03
            and (rung.accuracy_high or rung.accuracy or 0) >= (each.accuracy_low or 0) - 1e-12
            for rung in rungs
        )
    assert [rung.variant for rung in ladder(rungs)] == rungs, "a ladder's ladder is itself"
