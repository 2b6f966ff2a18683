"""The residual model: a small two-dimensional residual network that tells ten kinds of clothing apart.

`build` and `data` are what its model spec names.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.model.data import Data
from controller.zoo.fashion import CLASSES, PIXELS, RECIPE, load_fashion
from controller.zoo.reference import Reference

_STEM = 32
_STAGES = ((32, 1), (64, 2), (128, 2))  # each block's channels and stride


class Block(nn.Module):
    """Two convolutions with a shortcut; `stride` divides the sides. `[n, i, h, w]` to `[n, o, h / s, w / s]`."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            project = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(channels_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class Residual(nn.Module):
    """`[n, 1, 28, 28]` standardised images to `[n, 10]` logits; 308,074 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, _STEM, 3, 1, 1, bias=False), nn.BatchNorm2d(_STEM), nn.ReLU())
        blocks, width = list[nn.Module](), _STEM
        for channels, stride in _STAGES:
            blocks.append(Block(width, channels, stride))
            width = channels
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))
        return logits


def build() -> nn.Module:
    """The network, untrained."""
    return Residual()


def data() -> Data:
    """Fashion-MNIST; raises `MissingDataError` where it is not installed."""
    return load_fashion()


REFERENCE = Reference(
    name="residual",
    build=build,
    data=data,
    sample_shape=(1, PIXELS, PIXELS),
    recipe=RECIPE,
    accuracy_floor="88 %",
)
train, write_spec, write_replay = REFERENCE.train, REFERENCE.write_spec, REFERENCE.write_replay
