"""How much a model would miss each unit: rankings within a group, by different signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.graph.layers import slices
from controller.pruning.graph.structure import ChannelGroup, Touch
from controller.pruning.model.data import Split
from controller.pruning.model.outputs import first_output

Importance = Mapping[str, Sequence[float]]
"""A group's root to the loss expected from losing each of its present units, in their order."""

_BATCHES, _BATCH = 16, 64
_Score = Callable[[torch.Tensor], torch.Tensor]


def magnitude(model: nn.Module, groups: tuple[ChannelGroup, ...]) -> Importance:
    """The squared weights that each unit of the model's own `groups` has, relative to the group's mean."""
    layers = dict(model.named_modules())
    return {group.root: _relative(_scores(layers, group, _squared)) for group in groups}


def taylor(model: nn.Module, groups: tuple[ChannelGroup, ...], split: Split, seed: int) -> Importance:
    """The squared sum of weight times gradient over all that a unit has, averaged over batches of the labelled `split`.

    First order (Molchanov et al., CVPR 2019).
    """
    assert split.labels is not None
    layers = dict(model.named_modules())
    dice = torch.Generator().manual_seed(seed)
    totals = {group.root: torch.zeros(group.channels) for group in groups}
    inputs, labels = torch.from_numpy(split.inputs), torch.from_numpy(split.labels)
    model.eval()
    for _ in range(_BATCHES):
        chosen = torch.randint(len(inputs), (_BATCH,), generator=dice)
        model.zero_grad()
        torch.autograd.backward(F.cross_entropy(first_output(model(inputs[chosen])), labels[chosen]))
        for group in groups:
            totals[group.root] += _scores(layers, group, _first_order) ** 2
    model.zero_grad()
    return {root: _relative(total) for root, total in totals.items()}


def most_important(units: Sequence[int], importance: Sequence[float], width: int) -> tuple[int, ...]:
    """The `width` most important of `units`, in their order; of equals the earlier ones."""
    order = sorted(range(len(units)), key=lambda position: -importance[position])
    return tuple(units[position] for position in sorted(order[:width]))


def _squared(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.detach() ** 2


def _first_order(parameter: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.detach() * parameter.grad


def _relative(scores: torch.Tensor) -> list[float]:
    mean = float(scores.mean())
    return [float(score) / mean if mean > 0 else 1.0 for score in scores]


def _scores(layers: dict[str, nn.Module], group: ChannelGroup, score: _Score) -> torch.Tensor:
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
