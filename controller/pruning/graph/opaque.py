"""Modules that are one step in the traced graph, through which no channel is followed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from controller.pruning.model.attention import HeadAttention
from controller.pruning.model.outputs import tensors

# What mixes all channels, or holds them several times over. Nothing is followed through these.
_OPAQUE = (
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
    HeadAttention,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.Bilinear,
)


def close(module: nn.Module, name: str) -> None:
    """Where `module` is such a step, make it one node whose `reason` says so; else leave it."""
    if isinstance(module, _OPAQUE):
        kind = "attention" if isinstance(module, HeadAttention) else type(module).__name__
        module.forward = partial(_forward, module.forward, f"runs through {kind} '{name}'")  # type: ignore[method-assign]


class _Step(torch.autograd.Function):
    """One node in the autograd graph for a whole module, which bears the reason to stop there."""

    @staticmethod
    def forward(ctx: Any, reason: str, made: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        ctx.reason = reason
        return made.clone()

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor) -> Any:
        raise NotImplementedError("the traced graph is read, never run backwards")


def _forward(forward: Callable[..., Any], reason: str, *args: Any, **kwargs: Any) -> Any:
    with torch.no_grad():
        made = forward(*args, **kwargs)
    read = [*tensors(args), *tensors(kwargs)]
    return _each(made, lambda tensor: _Step.apply(reason, tensor, *read))  # type: ignore[no-untyped-call]


def _each(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    return tuple(_each(each, change) for each in value) if isinstance(value, tuple | list) else value
