"""BatchNorm statistics anew: a cut changes what every layer sees, and the old figures are of another network."""

from __future__ import annotations

from collections.abc import Iterator

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
    norms = [layer for layer in model.modules() if isinstance(layer, _BATCH_NORM) and layer.track_running_stats]
    model.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the cumulative average, every batch alike
        norm.train()
    for number, chosen in enumerate(batches(len(inputs), _BATCH, dice)):
        if number * _BATCH >= _SAMPLES:
            break
        model(torch.from_numpy(inputs)[chosen])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def batches(count: int, batch: int, dice: torch.Generator) -> Iterator[torch.Tensor]:
    """Shuffled full batches of numbers below `count`; a last smaller one would bend the BatchNorm statistics."""
    order = torch.randperm(count, generator=dice)
    if count < batch:
        return iter((order,))
    return (order[start : start + batch] for start in range(0, count - batch + 1, batch))
