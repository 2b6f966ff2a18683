"""What is read off the groups: predicted weights, and the importance of what a unit owns."""

from __future__ import annotations

import torch
from torch import nn

from controller.pruning.cost.work import describe_work
from controller.pruning.graph.cut import cut
from controller.pruning.graph.groups import find_groups
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


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 20), nn.ReLU(), nn.Linear(20, 3))


def half(structure: Structure) -> Structure:
    return Structure({root: units[::2] for root, units in structure.kept.items()})


def test_predicted_weights_are_those_of_the_cut_model() -> None:
    model, sample = Residual().eval(), torch.randn(1, 3, 8, 8)
    groups, _ = find_groups(model, sample)
    work, kept = describe_work(model, sample, groups), half(full(groups))
    smaller = cut(model, groups, full(groups), kept)
    parameters = sum(each.numel() for each in smaller.parameters())
    buffers = sum(each.numel() for name, each in smaller.named_buffers() if "running" in name)
    assert work.work(kept.widths).weights_bytes == 4 * (parameters + buffers)


def test_a_channel_that_does_nothing_matters_least() -> None:
    model = mlp().eval()
    with torch.no_grad():
        model[2].weight[:, 5] = 0  # type: ignore[index, union-attr]
        model[0].weight[5] = 0  # type: ignore[index, union-attr]
        model[0].bias[5] = 0  # type: ignore[index, union-attr]
    groups, _ = find_groups(model, torch.randn(1, 10))
    scores = channel_importance(model, groups, None, seed=0)["0"]
    assert min(range(32), key=lambda channel: scores[channel]) == 5
