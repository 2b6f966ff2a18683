"""BatchNorm statistics anew: a cut changes what every layer sees, and the old figures are of another network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from controller.pruning.model.data import Floats
from controller.pruning.recover.batches import Batches

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
        batches = Batches.shuffled(len(inputs), _BATCH, dice)
        for _ in range(min(-(-_SAMPLES // _BATCH), batches.an_epoch) if norms else 0):
            model(torch.from_numpy(inputs)[batches.next()])


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
