"""The benchmark's peers on a tiny network: latency is met by measuring, nothing leaks, scratch forgets."""

from __future__ import annotations

import inspect
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_pruning as tp
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from controller.pruning.model.data import Split
from controller.zoo.augment import FlippedAndMoved
from controller.zoo.training import Recipe
from tests.bench.prune import peers


class Tiny(nn.Module):
    """Two groups of channels, 32 through the shortcut and 48 inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 32, 3, padding=1)
        self.inside = nn.Sequential(nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU())
        self.back = nn.Conv2d(48, 32, 1)
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.stem(x))
        logits: torch.Tensor = self.head((y + self.back(self.inside(y))).mean((2, 3)))
        return logits


def parameters(module: nn.Module) -> float:
    return float(sum(each.numel() for each in module.parameters()))


def widths(module: nn.Module) -> tuple[int, int]:
    assert isinstance(module, Tiny)
    return module.stem.out_channels, module.back.in_channels


@pytest.fixture(scope="module")
def dense() -> Tiny:
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.fixture(scope="module")
def split() -> Split:
    dice = np.random.default_rng(0)
    return Split(dice.normal(size=(64, 1, 8, 8)).astype(np.float32), dice.integers(0, 4, 64))


@pytest.mark.parametrize(("block", "smallest"), [(None, (1, 1)), (16, (16, 16))])
def test_a_uniform_row_falls_by_blocks_and_leaves_every_layer_something(
    dense: Tiny, split: Split, block: int | None, smallest: tuple[int, int]
) -> None:
    row = [widths(each.module) for each in peers.uniform(dense, split, "magnitude", block, finest=64)]
    assert row[0] == (32, 48)
    assert row[-1] == smallest or (block is None and max(row[-1]) <= 2)
    assert all(after[0] <= before[0] and after[1] <= before[1] and after != before for before, after in pairwise(row))
    assert all(width % (block or 1) == 0 for pair in row for width in pair)


@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
def test_a_global_row_falls_and_ranks_over_layers(dense: Tiny, split: Split, importance: peers.Importance) -> None:
    useless = peers.clean(dense)
    assert isinstance(useless, Tiny)
    with torch.no_grad():
        useless.back.weight[:, 8:] = 0  # all but 8 of the 48 do nothing
        useless.get_parameter("inside.0.weight")[8:] = 0
        useless.get_parameter("inside.1.weight")[8:] = 0
    row = [widths(each.module) for each in peers.by_macs(useless, split, importance, steps=16)]
    assert row[0] == (32, 48)
    assert all(sum(after) < sum(before) for before, after in pairwise(row))
    shares = [(stem / 32, inside / 48) for stem, inside in row]
    assert any(inside < stem - 0.2 for stem, inside in shares)


def test_candidates_answer_and_leave_the_dense_network_alone(dense: Tiny, split: Split) -> None:
    before = {name: each.clone() for name, each in dense.state_dict().items()}
    for each in peers.by_macs(dense, split, "taylor", steps=6):
        assert each.module(torch.from_numpy(split.inputs)).shape == (64, 4)
        assert all(parameter.grad is None for parameter in each.module.parameters())
    assert all(torch.equal(each, dense.state_dict()[name]) for name, each in before.items())
    assert all(parameter.grad is None for parameter in dense.parameters())


def test_torch_pruning_keeps_nothing_between_two_prunings(dense: Tiny, split: Split) -> None:
    peers.uniform(dense, split, "magnitude", None, finest=4)
    defaults = inspect.signature(tp.pruner.BasePruner.__init__).parameters.values()
    dicts = [each.default for each in defaults if isinstance(each.default, dict)]
    assert dicts == [{}] * len(dicts)
    again = [[str(each.module) for each in peers.uniform(dense, split, "magnitude", None, finest=4)] for _ in range(2)]
    assert again[0] == again[1]


class Step(nn.Module):
    def __init__(self, latency_s: float) -> None:
        super().__init__()
        self.latency_s = latency_s


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=80), st.floats(0.1, 10))
def test_what_is_found_meets_the_target_and_its_neighbour_does_not(staircase: list[float], target_s: float) -> None:
    row = [peers.Candidate(Step(latency_s), str(number)) for number, latency_s in enumerate(staircase)]
    peer = peers.Peer("any", lambda: row)

    def measure(module: nn.Module) -> float:
        assert isinstance(module, Step)
        return module.latency_s

    try:
        found = peer.make(target_s, measure)
    except peers.UnreachableError:
        assert staircase[-1] > target_s
        return
    assert found.latency == measure(found.module) <= target_s
    index = int(found.setting)
    assert index == 0 or staircase[index - 1] > target_s


def test_a_falling_latency_is_met_closely(dense: Tiny, split: Split) -> None:
    peer = peers.Peer("uniform", lambda: peers.uniform(dense, split, "magnitude", None))
    found = peer.make(parameters(dense) / 2, parameters)
    assert 0.9 < found.latency / (parameters(dense) / 2) <= 1


def test_a_structure_is_measured_once_and_over_restarts(dense: Tiny, tmp_path: Path) -> None:
    asked = list[nn.Module]()

    def measure(module: nn.Module) -> float:
        asked.append(module)
        return parameters(module)

    remembered = peers.Remembered(measure, tmp_path / "a" / "latencies.json", "tiny")
    first = remembered(dense)
    assert remembered(peers.forgetful(dense)) == first
    assert peers.Remembered(measure, tmp_path / "a" / "latencies.json", "tiny")(dense) == first
    assert len(asked) == 1
    peers.Remembered(measure, tmp_path / "a" / "latencies.json", "other")(dense)
    assert len(asked) == 2


def test_scratch_forgets_the_weights_keeps_the_widths_and_trains_by_samples(dense: Tiny, split: Split) -> None:
    pruned = peers.uniform(dense, split, "magnitude", 16, finest=4)[-1].module
    recipe = Recipe(
        epochs=9,
        batch=16,
        rate=1e-3,
        decay=0.0,
        smoothing=0.0,
        augment=FlippedAndMoved(pixels=0, background=0.0),
        seed=1,
    )
    said = list[str]()
    fresh = peers.scratch(pruned, split, recipe, 160, said.append)
    assert widths(fresh) == widths(pruned)
    assert "epoch 2.5 of 2.5" in said[-1]  # 160 samples of 64
    mine, theirs = (each.get_parameter("stem.weight").detach().flatten() for each in (fresh, pruned))
    assert abs(float(torch.corrcoef(torch.stack((mine, theirs)))[0, 1])) < 0.5
