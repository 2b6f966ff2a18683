"""What units are worth, estimated from a few passes: masks where they are read, and what they contribute."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from controller.pruning.estimate.contributions import contributions, direction
from controller.pruning.estimate.masks import Masks
from controller.pruning.estimate.masks import masked as through_masks
from controller.pruning.estimate.readers import find_readers
from controller.pruning.graph.blocks import find_blocks
from controller.pruning.graph.cut import masked
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.structure import ChannelGroup, Structure, Unit, full
from controller.pruning.model.attention import prepare
from controller.pruning.model.outputs import first_output
from controller.pruning.recover.loss import distance
from controller.pruning.solve.elimination import eliminate
from tests.pruning.test_pruning_graph_random import KINDS, SIZE, grow

FEW = settings(deadline=None, max_examples=15)


# --- masks where units are read


def _without(masks: Masks, wanted: Structure) -> Masks:
    """The masks at 0 for all that `wanted` does not keep."""
    units = {root: torch.zeros_like(mask) for root, mask in masks.units.items()}
    for root, mask in units.items():
        mask[:, list(wanted.kept[root])] = 1
    blocks = {name: torch.full_like(mask, float(name not in wanted.dropped)) for name, mask in masks.blocks.items()}
    return Masks(units, blocks)


@FEW
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5), st.booleans(), st.integers(0, 2**16))
def test_what_nobody_reads_is_as_if_it_were_gone(kinds: list[str], flat: bool, seed: int) -> None:
    model = grow(kinds, flat, seed).eval()
    probes = torch.rand(4, 3, SIZE, SIZE)
    groups, _ = find_groups(model, probes[:1])
    blocks = find_blocks(model, probes)
    dice = np.random.default_rng(seed)
    kept = {g.root: tuple(np.flatnonzero(dice.random(g.channels) < 0.7)) or (0,) for g in groups}
    wanted = Structure({root: tuple(map(int, units)) for root, units in kept.items()}, blocks[:1])
    readers = find_readers(model, groups)
    nothing = {each.name: torch.tensor(0.0) for each in readers}  # a unit that is zero leaves no mean
    with torch.no_grad():
        expected = first_output(masked(model, groups, wanted).eval()(probes))
        with through_masks(model, readers, nothing, _without(Masks.ones(4, groups, blocks), wanted)):
            got = first_output(model(probes))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@FEW
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**16))
def test_every_unit_of_any_grown_net_has_a_contribution(kinds: list[str], flat: bool, seed: int) -> None:
    model = grow(kinds, flat, seed).eval()
    inputs = np.random.default_rng(seed).random((40, 3, SIZE, SIZE), dtype=np.float32)
    groups, _ = find_groups(model, torch.from_numpy(inputs[:1]))
    blocks = find_blocks(model, torch.from_numpy(inputs[:4]))
    found = contributions(model, groups, blocks, (0,), inputs, seed)
    again = contributions(model, groups, blocks, (0,), inputs, seed)
    for group in groups:
        assert found.groups[group.root].shape == (80, group.channels)
        assert np.isfinite(found.groups[group.root]).all()
        np.testing.assert_array_equal(found.groups[group.root], again.groups[group.root])
    assert {block: each.shape for block, each in found.blocks.items()} == dict.fromkeys(blocks, (80,))
    assert all(each.requires_grad for each in model.parameters())


class Encoder(nn.Module):
    """Two of torch's own transformer layers: heads and channels, read by layers that torch would rather fuse."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(12, 3, 16, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.encoder(x).mean(1))
        return y


def test_heads_are_units_too_and_none_is_without_a_contribution() -> None:
    torch.manual_seed(0)
    model = prepare(Encoder()).eval()
    inputs = np.random.default_rng(0).normal(size=(40, 5, 12)).astype(np.float32)
    groups, _ = find_groups(model, torch.from_numpy(inputs[:1]))
    assert Unit.HEAD in {group.unit for group in groups}
    blocks = find_blocks(model, torch.from_numpy(inputs[:4]))
    assert blocks
    found = contributions(model, groups, blocks, (0,), inputs, 0)
    assert all((np.abs(rows).max(0) > 0).all() for rows in found.groups.values())
    assert all(np.abs(rows).max() > 0 for rows in found.blocks.values())


# --- what they contribute


def _straight() -> tuple[nn.Module, tuple[ChannelGroup, ...], np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Without an activation the estimate is exact, but for the drawn directions."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 1))
    groups, _ = find_groups(model, torch.rand(1, 6))
    return model, groups, np.random.default_rng(3).normal(size=(4000, 6)).astype(np.float32)


@pytest.mark.parametrize("gone", [(1,), (0, 5), (2, 3, 4, 7)])
def test_what_is_lost_without_a_set_of_units_is_told_with_their_interactions(gone: tuple[int, ...]) -> None:
    model, groups, inputs = _straight()
    found = contributions(model, groups, (), (0,), inputs, 1)
    told = float((found.groups["0"][:, list(gone)].sum(1) ** 2).mean() / 2)
    with torch.no_grad():
        middle = model[0](torch.from_numpy(inputs))  # type: ignore[index]
        without = middle.clone()
        without[:, list(gone)] = middle.mean(0)[list(gone)]
        lost = float(distance(model[1](without), model[1](middle)))  # type: ignore[index]
    assert told == pytest.approx(lost, rel=0.1)


def test_directions_have_the_second_moment_of_the_divergence() -> None:
    output = torch.tensor([[2.0, -1.0, 0.5]])
    drawn = direction(output.repeat(200_000, 1), torch.Generator().manual_seed(0))
    chances = torch.softmax(output[0] / 3, 0)
    expected = torch.diag(chances) - torch.outer(chances, chances)
    torch.testing.assert_close(drawn.T @ drawn / len(drawn), expected, rtol=0.02, atol=2e-3)
    nearby = output + torch.tensor([[0.03, -0.02, 0.01]])
    change = (nearby - output)[0]
    assert float(change @ expected @ change) / 2 == pytest.approx(float(distance(nearby, output)), rel=0.05)


# --- eliminating


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**16), st.integers(1, 12))
def test_losses_never_rise_with_the_width_and_are_those_of_what_is_gone(seed: int, units: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(50, units)).astype(np.float32)
    found = eliminate(rows)
    assert sorted(found.ranking) == list(range(units))
    assert len(found.losses) == units + 1
    assert found.losses[units] == 0
    assert all(narrow >= wide for narrow, wide in zip(found.losses, found.losses[1:], strict=False))
    order = np.argsort(found.ranking)
    for width in range(units):
        lost = float((rows[:, order[: units - width]].sum(1) ** 2).mean() / 2)
        assert found.losses[width] >= lost - 1e-6
    assert found.losses[units - 1] == pytest.approx(float((rows**2).mean(0).min() / 2), rel=1e-5)


def test_of_two_units_that_say_the_same_the_second_is_kept_all_the_dearer() -> None:
    one = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32)
    found = eliminate(np.concatenate([one, one, 0.5 * one], 1))
    assert found.ranking[2] == 0
    assert found.losses[0] == pytest.approx(2.5**2 * float((one**2).mean()) / 2, rel=1e-4)


def test_a_curve_has_both_ends_and_not_too_many_points() -> None:
    rows = np.random.default_rng(0).normal(size=(64, 300)).astype(np.float32)
    found = eliminate(rows)
    widths, losses = found.curve(0.5)
    assert (widths[0], widths[-1], losses[-1]) == (1, 300, 0.0)
    assert len(widths) <= 24
    assert losses[0] == pytest.approx(found.losses[1] / 2)


def test_a_group_of_slots_is_masked_in_every_group_of_the_convolution_that_reads_it() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, groups=2), nn.Flatten(), nn.Linear(32, 2))
    groups, _ = find_groups(model, torch.rand(1, 3, 2, 2))
    slots = [group for group in groups if group.unit is Unit.SLOT]
    assert slots, [group.unit for group in groups]
    (reader,) = [each for each in find_readers(model, groups) if each.name == "1"]
    (units,) = reader.units.values()
    assert units.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert full(groups).kept
