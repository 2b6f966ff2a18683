"""The oldest sign of a unit's worth, and the only one without data: how large its weights are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from controller.pruning.graph.layers import slices
from controller.pruning.graph.structure import ChannelGroup, Touch
from controller.pruning.solve.importance import Importance


def magnitude(model: nn.Module, groups: tuple[ChannelGroup, ...]) -> Importance:
    """The squared weights that each unit of the model's own `groups` has, relative to the group's mean."""
    layers = dict(model.named_modules())
    return {group.root: _relative(_squares(layers, group)) for group in groups}


def _relative(scores: torch.Tensor) -> list[float]:
    mean = float(scores.mean())
    return [float(score) / mean if mean > 0 else 1.0 for score in scores]


def _squares(layers: dict[str, nn.Module], group: ChannelGroup) -> torch.Tensor:
    """`[channels]`: the squares of all parameters that a channel owns, summed over the group's layers."""
    total = torch.zeros(group.channels)
    for touch in group.touches:
        channels = torch.tensor([channel for channel, rows in enumerate(touch.rows) for _ in rows])
        rows = torch.tensor([row for rows in touch.rows for row in rows])
        for parameter, axis in _owned(layers[touch.layer], touch):
            by_row = (parameter.detach() ** 2).movedim(axis, 0).reshape(parameter.shape[axis], -1).sum(1)
            total.index_add_(0, channels, by_row[rows])
    return total


def _owned(layer: nn.Module, touch: Touch) -> Iterator[tuple[torch.Tensor, int]]:
    """The layer's parameters whose slices along the given axis belong to the touched channels."""
    for name, axis in slices(layer, touch.output):
        tensor = getattr(layer, name)
        if isinstance(tensor, nn.Parameter):
            yield tensor, axis
