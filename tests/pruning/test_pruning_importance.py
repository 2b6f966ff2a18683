"""What units are worth: rankings within a group, and losses that are measured by cutting."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from controller.pruning.estimate.losing import losing
from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.estimate.measured import measure_worth
from controller.pruning.estimate.rankings import best_importance
from controller.pruning.estimate.taylor import taylor
from controller.pruning.graph.cut import cut
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.structure import Structure, full
from controller.pruning.model.data import Split
from controller.pruning.model.outputs import answers
from controller.pruning.solve.curves import MeasuredWorth, declared_worth
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


def test_a_channel_that_nothing_reads_matters_least_by_taylor() -> None:
    model = lame(5)
    groups, _ = find_groups(model, torch.randn(1, 10))
    split = Split(inputs(), np.random.default_rng(1).integers(0, 3, 256))
    scores = taylor(model, groups, split, seed=0)["0"]
    assert min(range(32), key=lambda channel: scores[channel]) == 5


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


def test_each_group_takes_the_ranking_by_which_it_loses_less() -> None:
    model, batch = lame(5), inputs()
    model[1] = nn.Identity()  # type: ignore[index]  # whose statistics would blur what one channel does
    groups, _ = find_groups(model, torch.randn(1, 10))
    whole = full(groups)
    right = {"0": [float(each != 5) for each in range(32)], "3": list(range(20))}
    wrong = {"0": [float(each != 6) for each in range(32)], "3": list(range(20))}
    loses = losing(lambda wanted: cut(model, groups, whole, wanted), model, batch, answers(model, batch))
    best = best_importance(whole, (wrong, right), {"0": 31, "3": 2}, loses, lambda _: None)
    assert best["0"] == right["0"]
    worth = measure_worth(whole, best, (), {"0": 31, "3": 2}, loses, lambda _: None)
    assert worth.loss("0", 31) == pytest.approx(0.0, abs=1e-6)


def test_losses_rise_as_a_group_narrows_and_are_nothing_at_its_width() -> None:
    model, batch = mlp().eval(), inputs()
    groups, _ = find_groups(model, torch.randn(1, 10))
    whole = full(groups)
    loses = losing(lambda wanted: cut(model, groups, whole, wanted), model, batch, answers(model, batch))
    worth = measure_worth(whole, magnitude(model, groups), (), {"0": 4, "3": 4}, loses, lambda _: None)
    for root, width in whole.widths.items():
        losses = [worth.loss(root, each) for each in range(4, width + 1)]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] == 0.0
        assert losses[0] > 0.0
    assert isinstance(model[1], nn.BatchNorm1d)
    assert model[1].momentum == 0.1


def test_a_dropped_block_is_priced_by_what_its_absence_changes() -> None:
    asked = list[Structure]()

    def loses(structure: Structure) -> float:
        asked.append(structure)
        return {("a",): 0.5, ("b",): 2.0}.get(structure.dropped, 0.1)

    worth = measure_worth(Structure({"x": (0, 1)}), {"x": [1.0, 2.0]}, ("a", "b"), {"x": 1}, loses, lambda _: None)
    assert worth.blocks == {"a": 0.5, "b": 2.0}


def test_without_data_a_group_loses_its_share_of_importance() -> None:
    worth = declared_worth({"x": [1.0, 3.0, 4.0]})
    assert [worth.loss("x", width) for width in (3, 2, 1)] == [0.0, 1 / 8, 4 / 8]
    assert worth.blocks == {}


class Killed(Exception):
    pass


def by_width(asked: list[Structure], last: int) -> Callable[[Structure], float]:
    """Loses in proportion to what is gone, and is killed when it is asked once more than `last` times."""

    def loses(structure: Structure) -> float:
        if len(asked) == last:
            raise Killed
        asked.append(structure)
        return sum(1 - width / 16 for width in structure.widths.values()) + len(structure.dropped)

    return loses


@pytest.mark.parametrize("killed_after", range(11))
def test_a_measurement_that_was_killed_goes_on_and_ends_as_one_that_was_not(killed_after: int) -> None:
    now, blocks = Structure({"x": tuple(range(16)), "y": tuple(range(16))}), ("a", "b")
    ranks, floors = {root: list(range(16)) for root in "xy"}, {"x": 2, "y": 2}
    whole, asked = list[Structure](), list[Structure]()
    wanted = measure_worth(now, ranks, blocks, floors, by_width(whole, 99), lambda _: None)
    kept = [MeasuredWorth({}, {})]
    with contextlib.suppress(Killed):
        measure_worth(now, ranks, blocks, floors, by_width(asked, killed_after), lambda _: None, kept[0], kept.append)
    before = len(asked)
    again = measure_worth(now, ranks, blocks, floors, by_width(asked, 99), lambda _: None, kept[-1], kept.append)
    assert again == wanted
    assert len(asked) - before <= len(whole) - before + 3  # of one group at most


def test_what_a_group_does_not_miss_narrow_is_not_asked_of_it_wider() -> None:
    asked = list[int]()

    def loses(structure: Structure) -> float:
        asked.append(structure.widths["x"])
        return float(structure.widths["x"] < 5)

    ranks = {"x": list(range(16))}
    worth = measure_worth(Structure({"x": tuple(range(16))}), ranks, (), {"x": 2}, loses, lambda _: None)
    assert asked == [2, 4, 8]
    assert [worth.loss("x", width) for width in (2, 4, 8, 12, 16)] == [1, 1, 0, 0, 0]


def test_ranks_that_are_known_are_not_found_out_again() -> None:
    now, known = Structure({"x": (0, 1, 2, 3), "y": (0, 1, 2, 3)}), {"x": [9.0, 9.0, 9.0, 9.0]}
    rankings, kept = [{"x": [1.0] * 4, "y": [float(by)] * 4} for by in (1, 2)], list[object]()
    found = best_importance(
        now, rankings, {"x": 2, "y": 2}, lambda each: float(each.widths["x"] < 4), lambda _: None, known, kept.append
    )
    assert found == {"x": [9.0] * 4, "y": [1.0] * 4}
    assert kept == [found]


@given(st.integers(1, 15))
def test_of_what_seems_to_lose_nothing_the_less_is_taken_the_better(width: int) -> None:
    worth = MeasuredWorth({"x": ((1, 8, 16), (0.0, 0.0, 0.0))}, {}).leaning()
    assert worth.loss("x", 16) == 0
    assert worth.loss("x", width) > worth.loss("x", width + 1)
