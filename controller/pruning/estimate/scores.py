"""A sign of every parameter summed up to the units that own it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from controller.pruning.graph.layers import slices
from controller.pruning.graph.structure import ChannelGroup, Touch

Score = Callable[[torch.Tensor], torch.Tensor]
"""Of a parameter: a figure for each of its elements."""


def relative(scores: torch.Tensor) -> list[float]:
    """The scores in shares of their mean."""
    mean = float(scores.mean())
    return [float(score) / mean if mean > 0 else 1.0 for score in scores]


def scores(layers: dict[str, nn.Module], group: ChannelGroup, score: Score) -> torch.Tensor:
    """`[channels]`: the score of every parameter that a channel owns, summed over the group's layers."""
    total = torch.zeros(group.channels)
    for touch in group.touches:
        channels = torch.tensor([channel for channel, rows in enumerate(touch.rows) for _ in rows])
        rows = torch.tensor([row for rows in touch.rows for row in rows])
        for parameter, axis in _owned(layers[touch.layer], touch):
            by_row = score(parameter).movedim(axis, 0).reshape(parameter.shape[axis], -1).sum(1)
            total.index_add_(0, channels, by_row[rows])
    return total


def _owned(layer: nn.Module, touch: Touch) -> Iterator[tuple[torch.Tensor, int]]:
    """The layer's parameters whose slices along the given axis belong to the touched channels."""
    for name, axis in slices(layer, touch.output):
        tensor = getattr(layer, name)
        if isinstance(tensor, nn.Parameter):
            yield tensor, axis
