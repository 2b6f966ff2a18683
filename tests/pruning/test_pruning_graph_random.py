"""Graphs that nobody wrote down: whatever units are removed, the cut model answers as the masked one."""

from __future__ import annotations

import random
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from controller.pruning.graph.blocks import find_blocks
from controller.pruning.graph.cut import cut, masked
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.structure import Structure, full

SIZE = 8
KINDS = ("plain", "residual", "concat", "squeeze", "depthwise", "grouped", "pool")


class Stage(nn.Module):
    """One rule of the grammar: reads `read` channels and makes `made`."""

    def __init__(self, kind: str, read: int, dice: random.Random) -> None:
        super().__init__()
        self.kind, width = kind, 4 * dice.randint(1, 4)
        self.made = {"plain": width, "concat": read + width, "grouped": width, "depthwise": 2 * read}.get(kind, read)
        match kind:
            case "plain" | "concat":
                self.deep = unit(read, width, 3)
            case "residual":
                self.deep = nn.Sequential(unit(read, width, 1), unit(width, read, 3))
            case "squeeze":
                self.deep = nn.Sequential(nn.Conv2d(read, width, 1), nn.ReLU(), nn.Conv2d(width, read, 1), nn.Sigmoid())
            case "depthwise":
                self.deep = unit(read, 2 * read, 3, groups=read)
            case "grouped":
                self.deep = unit(read, width, 3, groups=dice.choice([each for each in (2, 4) if read % each == 0]))
            case _:
                self.deep = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "residual":
            return torch.relu(x + self.deep(x))
        if self.kind == "squeeze":
            return x * self.deep(x.mean((2, 3), keepdim=True))
        deep: torch.Tensor = self.deep(x)
        return torch.cat([x, deep], 1) if self.kind == "concat" else deep


def unit(read: int, made: int, size: int, **kwargs: Any) -> nn.Sequential:
    norm = nn.BatchNorm2d(made)
    for each in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert each is not None
        each.data.uniform_(0.5, 1.5)
    return nn.Sequential(nn.Conv2d(read, made, size, padding=size // 2, **kwargs), norm, nn.ReLU())


def grow(kinds: list[str], flat: bool, seed: int) -> nn.Module:
    dice = random.Random(seed)
    torch.manual_seed(seed)
    channels, side, stages = 4 * dice.randint(1, 3), SIZE, list[nn.Module]()
    stages.append(unit(3, channels, 3))
    for kind in kinds:
        stage = Stage(kind if kind != "pool" or side > 2 else "plain", channels, dice)
        channels, side = stage.made, side // 2 if stage.kind == "pool" else side
        stages.append(stage)
    tail = nn.Identity() if flat else nn.AdaptiveAvgPool2d(1)
    inputs = channels * (side**2 if flat else 1)
    return nn.Sequential(*stages, tail, nn.Flatten(), nn.Linear(inputs, 12), nn.ReLU(), nn.Linear(12, 3)).eval()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5), st.booleans(), st.integers(0, 2**20))
def test_a_cut_of_any_grown_net_answers_as_the_masked_one(kinds: list[str], flat: bool, seed: int) -> None:
    model, batch = grow(kinds, flat, seed), torch.randn(3, 3, SIZE, SIZE)
    groups, refused = find_groups(model, batch[:1])
    assert all("ties all" in reason or "several inputs to one" in reason for reason in refused.values())
    assert groups
    dice = random.Random(seed)
    blocks = find_blocks(model, batch)
    assert len(blocks) >= kinds.count("residual")
    dropped = tuple(block for block in blocks if dice.random() < 0.3)
    wanted = Structure(
        {g.root: tuple(sorted(dice.sample(range(g.channels), dice.randint(1, g.channels)))) for g in groups}, dropped
    )
    smaller, zeroed = cut(model, groups, full(groups), wanted), masked(model, groups, wanted)
    with torch.no_grad():
        expected, got = zeroed(batch), smaller(batch)
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
        for parameter in model.parameters():
            parameter.fill_(1.0)
    left = sum(int(each.sum()) for each in masked(model, groups, wanted).parameters())
    assert sum(each.numel() for each in smaller.parameters()) == left
