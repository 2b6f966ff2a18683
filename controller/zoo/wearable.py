"""The wearable model: a one-dimensional residual network that tells seven shoulder exercises from a smartwatch.

`build` and `data` are what its model spec names.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.model.data import Data
from controller.zoo.augment import WornElsewhere
from controller.zoo.reference import Reference
from controller.zoo.training import Recipe
from controller.zoo.watch import CHANNELS, CLASSES, WINDOW_SAMPLES, load_watch

_WIDTHS = (64, 96, 160, 256)


class Block(nn.Module):
    """Two convolutions with a shortcut; `stride` halves the length. `[n, i, t]` to `[n, o, t / stride]`."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels_in, channels_out, 5, stride, 2, bias=False)
        self.first_norm = nn.BatchNorm1d(channels_out)
        self.second = nn.Conv1d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm1d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            project = nn.Conv1d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm1d(channels_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class Wearable(nn.Module):
    """`[n, 6, 128]` standardised windows to `[n, 7]` logits."""

    def __init__(self, widths: tuple[int, ...] = _WIDTHS) -> None:
        super().__init__()
        stem, *stages = widths
        self.stem = nn.Sequential(nn.Conv1d(CHANNELS, stem, 7, 1, 3, bias=False), nn.BatchNorm1d(stem), nn.ReLU())
        blocks, width = list[nn.Module](), stem
        for stage in stages:
            blocks.append(Block(width, stage, 2))
            width = stage
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.flatten(self.pool(self.blocks(self.stem(x))), 1)
        logits: torch.Tensor = self.head(self.dropout(features))
        return logits


def build() -> nn.Module:
    """The network, untrained."""
    return Wearable()


def data() -> Data:
    """The smartwatch windows; raises `MissingDataError` where their package is not installed."""
    return load_watch()


REFERENCE = Reference(
    name="wearable",
    build=build,
    data=data,
    sample_shape=(CHANNELS, WINDOW_SAMPLES),
    recipe=Recipe(
        epochs=12,
        batch=64,
        rate=3e-3,
        decay=0.05,
        smoothing=0.1,
        augment=WornElsewhere(gain=0.2, shift=0.3, noise=0.1),
        seed=20240917,
        # On a busy host torch's threads wait for each other longer than they work; one is also the same every time.
        threads=1,
    ),
    accuracy_floor="80 %",
)
train, write_spec, write_replay = REFERENCE.train, REFERENCE.write_spec, REFERENCE.write_replay
