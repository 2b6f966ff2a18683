"""BatchNorm statistics anew: a cut changes what every layer sees, and the old figures are of another network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice

import torch
from torch import nn

from controller.pruning.model.data import Floats

_BATCH = 64
_SAMPLES = 1024
_BATCH_NORM = nn.modules.batchnorm._BatchNorm


@torch.no_grad()
def recalibrate(model: nn.Module, inputs: Floats, dice: torch.Generator) -> None:
    """Replace every BatchNorm's running statistics by the plain average over about a thousand of `inputs` `[n, ...]`.

    Leaves the model in eval mode. So does a model without BatchNorm, which is not run at all.
    """
    with renorming(model, None) as norms:  # None is torch's word for the cumulative average, every batch alike
        for norm in norms:
            norm.reset_running_stats()
        few = islice(batches(len(inputs), _BATCH, dice), -(-_SAMPLES // _BATCH) if norms else 0)
        for chosen in few:
            model(torch.from_numpy(inputs)[chosen])


@contextlib.contextmanager
def renorming(model: nn.Module, momentum: float | None) -> Iterator[list[nn.modules.batchnorm._BatchNorm]]:
    """Every BatchNorm that keeps running statistics normalises by the batch at hand and updates them with `momentum`.

    All else is in eval mode, and everything afterwards.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, _BATCH_NORM) and layer.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.momentum = momentum
        norm.train()
    try:
        yield norms
    finally:
        for norm, before in zip(norms, momenta, strict=True):
            norm.momentum = before
        model.eval()


def batches(count: int, batch: int, dice: torch.Generator) -> Iterator[torch.Tensor]:
    """Shuffled full batches of numbers below `count`; a last smaller one would bend the BatchNorm statistics."""
    order = torch.randperm(count, generator=dice)
    if count < batch:
        return iter((order,))
    return (order[start : start + batch] for start in range(0, count - batch + 1, batch))
