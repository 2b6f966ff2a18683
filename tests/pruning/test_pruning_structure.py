"""Groups, cuts and the soundness probe on nets that the grouping library gets right, and on one that it corrupts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from controller.pruning.cost.work import describe_work
from controller.pruning.graph.cut import cut
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups, unsound
from controller.pruning.graph.structure import Structure, full
from controller.pruning.solve.importance import channel_importance


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.deep = nn.Sequential(
            nn.Conv2d(16, 24, 1), nn.Sigmoid(), nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.Conv2d(24, 16, 1)
        )
        self.head = nn.Linear(16 * 16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        return self.head(torch.flatten(torch.max_pool2d(y + self.deep(y), 2), 1))


class Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 12, 3), nn.Conv2d(20, 8, 3)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.c(torch.cat([self.a(x), self.b(x)], dim=1)))
        return self.head(y.mean((2, 3)))


class Shuffled(nn.Module):
    """A channel shuffle, which the grouping library takes for an element-wise step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x))
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(torch.relu(self.third(torch.relu(self.second(y)))).mean((2, 3)))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 20), nn.ReLU(), nn.Linear(20, 3))


def half(structure: Structure) -> Structure:
    return Structure({root: units[::2] for root, units in structure.kept.items()})


@pytest.mark.parametrize(("make", "shape"), [(Residual, (6, 3, 8, 8)), (Joined, (6, 3, 8, 8)), (mlp, (6, 10))])
def test_removed_zero_channels_change_nothing(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model, batch = make().eval(), torch.randn(shape)
    groups, refused = find_groups(model, batch[:1])
    assert refused == {}
    assert len(groups) >= 2
    assert sound_groups(model, batch, groups, seed=0) == (groups, {})
    assert unsound(model, batch, groups, half(full(groups))) is None


def test_the_output_layer_is_never_a_candidate() -> None:
    groups, _ = find_groups(mlp().eval(), torch.randn(1, 10))
    assert {group.root for group in groups} == {"0", "2"}


def test_the_probe_catches_a_channel_shuffle() -> None:
    torch.manual_seed(0)
    model, batch = Shuffled().eval(), torch.randn(6, 3, 8, 8)
    groups, refused = find_groups(model, batch[:1])
    sound, unsound_groups = sound_groups(model, batch, groups, seed=0)
    refused = {**refused, **unsound_groups}
    assert "first" in refused
    assert {group.root for group in sound} >= {"third"}
    assert unsound(model, batch, groups, Structure({**full(groups).kept, "third": tuple(range(8))})) is None


def test_a_grouped_convolution_loses_the_same_slot_of_every_group() -> None:
    model = nn.Sequential(nn.Conv1d(4, 16, 3), nn.Conv1d(16, 16, 3, groups=4), nn.Conv1d(16, 8, 3), nn.Conv1d(8, 2, 3))
    groups, refused = find_groups(model.eval(), torch.randn(1, 4, 16))
    assert {group.root: group.channels for group in groups} == {"0": 4, "1": 4, "2": 8}
    assert refused == {}


def test_predicted_weights_are_those_of_the_cut_model() -> None:
    model, sample = Residual().eval(), torch.randn(1, 3, 8, 8)
    groups, _ = find_groups(model, sample)
    work, kept = describe_work(model, sample, groups), half(full(groups))
    smaller = cut(model, groups, full(groups), kept)
    parameters = sum(each.numel() for each in smaller.parameters())
    buffers = sum(each.numel() for name, each in smaller.named_buffers() if "running" in name)
    assert work.work(kept.widths).weights_bytes == 4 * (parameters + buffers)


def test_cutting_twice_is_cutting_once() -> None:
    model, sample = Residual().eval(), torch.randn(1, 3, 8, 8)
    groups, _ = find_groups(model, sample)
    whole = full(groups)
    wide, narrow = half(whole), half(half(whole))
    once = cut(model, groups, whole, narrow)
    twice = cut(cut(model, groups, whole, wide), groups, wide, narrow)
    for a, b in zip(once.state_dict().values(), twice.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_channel_that_does_nothing_matters_least() -> None:
    model = mlp().eval()
    with torch.no_grad():
        model[2].weight[:, 5] = 0  # type: ignore[index, union-attr]
        model[0].weight[5] = 0  # type: ignore[index, union-attr]
        model[0].bias[5] = 0  # type: ignore[index, union-attr]
    groups, _ = find_groups(model, torch.randn(1, 10))
    scores = channel_importance(model, groups, None, seed=0)["0"]
    assert min(range(32), key=lambda channel: scores[channel]) == 5
