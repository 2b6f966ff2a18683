"""Attention heads as groups: of a head are its rows of the three projections and its columns of the last one."""

from __future__ import annotations

from torch import nn

from controller.pruning.graph.structure import ChannelGroup, Touch, Unit
from controller.pruning.model.attention import HeadAttention


def head_groups(model: nn.Module) -> tuple[ChannelGroup, ...]:
    """For each `HeadAttention` of several heads the group of its heads."""
    return tuple(
        _head_group(name, module)
        for name, module in model.named_modules()
        if isinstance(module, HeadAttention) and module.num_heads > 1
    )


def _head_group(name: str, attention: HeadAttention) -> ChannelGroup:
    size = attention.head_dim
    rows = tuple(tuple(range(head * size, (head + 1) * size)) for head in range(attention.num_heads))
    prefix = f"{name}." if name else ""
    touches = (*(Touch(f"{prefix}{part}", True, rows) for part in "qkv"), Touch(f"{prefix}out", False, rows))
    return ChannelGroup(name, attention.num_heads, touches, Unit.HEAD)
