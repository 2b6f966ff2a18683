"""Rankings within a group, and the curves that structures are chosen by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from controller.pruning.estimate.estimator import sampled
from controller.pruning.estimate.gauss_newton import gauss_newton
from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.graph.groups import find_groups
from controller.pruning.solve.curves import WorthCurves, magnitude_worth
from controller.pruning.solve.importance import most_important


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 20), nn.ReLU(), nn.Linear(20, 3)
    )


def lame(channel: int) -> nn.Module:
    """The net with one hidden channel that nothing reads."""
    model = mlp().eval()
    with torch.no_grad():
        model[3].weight[:, channel] = 0  # type: ignore[index, union-attr]
    return model


def inputs(count: int = 256) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(count, 10)).astype(np.float32)


def test_a_channel_that_nothing_reads_is_worth_nothing_and_goes_first() -> None:
    model = lame(5)
    groups, _ = find_groups(model, torch.randn(1, 10))
    told = list[float]()
    found = gauss_newton(model, groups, (), inputs(), 0, told.append)
    ranking = found.importance["0"]
    assert min(range(32), key=lambda channel: ranking[channel]) == 5
    assert found.curves.loss("0", 31) == pytest.approx(0.0, abs=1e-9)
    assert found.curves.loss("0", 16) > found.curves.loss("0", 24) > 0
    assert told == sorted(told)
    assert told[0] == 0.0


def test_the_same_inputs_are_taken_every_time_and_fewer_of_what_is_slow() -> None:
    rows = inputs(1000)
    assert np.array_equal(sampled(rows, 10**6, 1), sampled(rows, 10**6, 1))
    assert [len(sampled(rows, flops, 1)) for flops in (10**6, 10**9, 10**12)] == [512, 200, 64]


def test_magnitude_counts_what_makes_and_what_reads_a_channel() -> None:
    model = lame(5)
    with torch.no_grad():
        model[0].weight[5] = 0  # type: ignore[index, union-attr]
        model[0].bias[5] = 0  # type: ignore[index, union-attr]
        model[1].weight[5] = 0  # type: ignore[index, union-attr]
    groups, _ = find_groups(model, torch.randn(1, 10))
    scores = magnitude(model, groups)["0"]
    assert min(range(32), key=lambda channel: scores[channel]) == 5


@given(st.lists(st.floats(0, 10), min_size=2, max_size=20), st.data())
def test_the_most_important_are_kept_in_their_order(scores: list[float], data: st.DataObject) -> None:
    width = data.draw(st.integers(1, len(scores)))
    units = tuple(range(100, 100 + len(scores)))
    kept = most_important(units, scores, width)
    assert list(kept) == sorted(kept)
    assert len(kept) == width
    lost = [score for unit, score in zip(units, scores, strict=True) if unit not in kept]
    assert max(lost, default=0.0) <= min(scores[unit - 100] for unit in kept)


def test_without_data_a_group_loses_its_share_of_importance() -> None:
    worth = magnitude_worth({"x": [1.0, 3.0, 4.0]})
    assert [worth.loss("x", width) for width in (3, 2, 1)] == [0.0, 1 / 8, 4 / 8]
    assert worth.blocks == {}


@given(st.integers(1, 15))
def test_of_what_seems_to_lose_nothing_the_less_is_taken_the_better(width: int) -> None:
    worth = WorthCurves({"x": ((1, 8, 16), (0.0, 0.0, 0.0))}, {}).leaning()
    assert worth.loss("x", 16) == 0
    assert worth.loss("x", width) > worth.loss("x", width + 1)
