"""A model with single weights at zero, and what its artifact then weighs on its way to a device."""

from __future__ import annotations

import copy
import lzma
import zlib
from collections.abc import Iterator

import torch
from torch import nn


def sparsify(model: nn.Module, share: float) -> nn.Module:
    """A copy of `model` with the `share` of its weights that are nearest to 0, over all layers, at 0.

    Weights are the parameters of two axes or more: biases and norms are few and each matters. Raises `ValueError`
    where `share` is not between 0 and 1 or there are no weights.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share:g} zeros: from 0 to 1 is allowed")
    sparse = copy.deepcopy(model)
    weights = list(_weights(sparse))
    if not weights:
        raise ValueError("the model has no weights to set to zero")
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    zeros = torch.zeros_like(sizes, dtype=torch.bool)
    zeros[sizes.argsort(stable=True)[: round(share * len(sizes))]] = True
    with torch.no_grad():
        parts = torch.split(zeros, [weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight.masked_fill_(part.view(weight.shape), 0.0)  # by position, whatever the memory format
    return sparse


def zeros_share(model: nn.Module) -> float:
    """The share of weights, as `sparsify` counts them, that are 0."""
    weights = list(_weights(model))
    return sum(int((weight == 0).sum()) for weight in weights) / max(1, sum(weight.numel() for weight in weights))


def transfer_bytes(artifact: bytes) -> int:
    """How many bytes of `artifact` cross the network, compressed with what every Python has."""
    return min(len(zlib.compress(artifact, 9)), len(lzma.compress(artifact, preset=9)))


def _weights(model: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for parameter in model.parameters() if parameter.ndim > 1)
