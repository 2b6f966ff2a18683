"""What each unit and each block contributes to the answers: gradients of masks, sample by sample.

Where the answers change by x, the loss of a recovery is about x'Hx / 2, with its Gauss-Newton matrix H (of a divergence
between classes that is Fisher's). Random directions are drawn whose mean is zero and whose second moment is H: a unit's
contribution is the gradient, by its mask, of the answers along one. A cut of any set of units then loses half of the
mean of the square of their summed contributions, interactions and all. It needs no labels.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from controller.pruning.estimate.masks import Masks, masked
from controller.pruning.estimate.readers import Reader, changed, find_readers
from controller.pruning.graph.structure import ChannelGroup
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import all_outputs, laid_out
from controller.pruning.recover.loss import TEMPERATURE, are_classes

_BATCH = 32
_DRAWS = 2  # directions an input: the passes forth are shared, and more inputs tell more than more directions


@dataclass(frozen=True, slots=True)
class Contributions:
    """Contributions to the answers of some inputs, in some directions each: of every unit of a group `[rows, units]`,
    and of every block `[rows]`. Without a set of them the loss is half the mean, over the rows, of the square of their
    sum."""

    groups: Mapping[str, Floats]
    blocks: Mapping[str, Floats]


def contributions(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    blocks: Sequence[str],
    taught: Sequence[int],
    inputs: Floats,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
) -> Contributions:
    """Of the units of `groups` and the residual `blocks`, to the outputs of the numbers `taught`, for `inputs`
    `[n, ...]`. Leaves the model in eval mode.
    """
    model.eval()
    readers = find_readers(model, groups)
    means = _means(model, readers, inputs)
    dice, rows = torch.Generator().manual_seed(seed), list[tuple[torch.Tensor, ...]]()
    with _frozen(model):
        for number, batch in enumerate(_batches(inputs)):
            progress(number * _BATCH / len(inputs))
            masks = Masks.ones(len(batch), groups, blocks)
            with masked(model, readers, means, masks):
                outputs = all_outputs(model(batch))
            rows += _gradients([outputs[number].float() for number in taught], masks.leaves, dice)
    names = (*(group.root for group in groups), *blocks)
    columns = (np.concatenate([each.numpy() for each in column]) for column in zip(*rows, strict=True))
    named = dict(zip(names, columns, strict=True))
    return Contributions(
        {group.root: named[group.root] for group in groups}, {block: named[block][:, 0] for block in blocks}
    )


def _gradients(
    outputs: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor], dice: torch.Generator
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Of the outputs along a few random directions of each sample, by each of the `leaves`."""
    for left in reversed(range(_DRAWS)):
        parts = [(each * direction(each.detach(), dice)).sum() for each in outputs]
        yield torch.autograd.grad(parts, leaves, retain_graph=left > 0, materialize_grads=True)


def direction(output: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    """A draw whose second moment is the second derivative of the recovery's loss at the dense model's own `output`.

    Of the divergence at a temperature, times its square, that is diag(p) - p p' for the probabilities p; of the mean
    square error 2 / size.
    """
    drawn: torch.Tensor = torch.randn(output.shape, generator=dice)
    if not are_classes(output):
        return drawn * math.sqrt(2 / output[0].numel())
    chances = torch.softmax(output / TEMPERATURE, dim=1)
    rooted = chances.sqrt() * drawn
    return rooted - chances * rooted.sum(1, keepdim=True)


@torch.no_grad()
def _means(model: nn.Module, readers: Sequence[Reader], inputs: Floats) -> dict[str, torch.Tensor]:
    """What each reader reads on average, a channel."""
    sums, counts = dict[str, torch.Tensor](), dict[str, int]()

    def note(reader: Reader, read: torch.Tensor) -> torch.Tensor:
        last = reader.channels_last(read)
        rows = last.reshape(-1, last.shape[-1]).float()
        sums[reader.name] = sums.get(reader.name, torch.zeros(rows.shape[1])) + rows.sum(0)
        counts[reader.name] = counts.get(reader.name, 0) + len(rows)
        return read

    with changed(readers, note):
        for batch in _batches(inputs):
            model(batch)
    return {name: total / counts[name] for name, total in sums.items()}


def _batches(inputs: Floats) -> Iterator[torch.Tensor]:
    return (laid_out(torch.from_numpy(inputs[at : at + _BATCH])) for at in range(0, len(inputs), _BATCH))


@contextlib.contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Weights need no gradients here, which are half of a backward pass."""
    trained = [each for each in model.parameters() if each.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
