"""The oldest sign of a unit's worth: how large its weights are."""

from __future__ import annotations

import torch
from torch import nn

from controller.pruning.estimate.scores import relative, scores
from controller.pruning.graph.structure import ChannelGroup
from controller.pruning.solve.importance import Importance


def magnitude(model: nn.Module, groups: tuple[ChannelGroup, ...]) -> Importance:
    """The squared weights that each unit of the model's own `groups` has, relative to the group's mean."""
    layers = dict(model.named_modules())
    return {group.root: relative(scores(layers, group, _squared)) for group in groups}


def _squared(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.detach() ** 2
