"""The soundness probe: a group may be pruned only if pruning zeroed channels changes nothing.

The grouping library corrupts some graphs without an exception (a channel shuffle, for one). A model in which a set of
channels is zero where it is made and where it is read must answer exactly as the same model without those channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from controller.pruning.graph.structure import ChannelGroup, Kept, cut, full, masked
from controller.pruning.model.outputs import first_output

_REMOVED_SHARE = 0.3
_TOLERANCE = 1e-4  # of the largest output; sums in another order differ by 1e-6, a wrong channel by 1e-1


def sound_groups(
    model: nn.Module, sample: torch.Tensor, groups: tuple[ChannelGroup, ...], seed: int
) -> tuple[tuple[ChannelGroup, ...], dict[str, str]]:
    """The groups that may be pruned, and why each other one may not. `sample` is a batch of several inputs."""
    if unsound(model, sample, groups, _random_cut(groups, groups, seed)) is None:
        return groups, {}
    passed, refused = list[ChannelGroup](), dict[str, str]()
    for group in groups:
        reason = unsound(model, sample, groups, _random_cut(groups, (group,), seed))
        if reason is None:
            passed.append(group)
        else:
            refused[group.root] = reason
    return tuple(passed), refused


def unsound(model: nn.Module, sample: torch.Tensor, groups: tuple[ChannelGroup, ...], wanted: Kept) -> str | None:
    """None where the dense `model` cut to `wanted` answers as the masked one; else what differs."""
    try:
        smaller = cut(model, sample[:1], full(groups), wanted).eval()
        with torch.no_grad():
            expected = first_output(masked(model, groups, wanted).eval()(sample))
            got = first_output(smaller(sample))
    except Exception as error:  # a wrong grouping shows as any error of a layer
        return f"fails when pruned: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if expected.shape != got.shape:
        return f"changes the output's shape from {list(expected.shape)} to {list(got.shape)}"
    scale = float(expected.abs().max())
    worst = float((expected - got).abs().max())
    if not worst <= _TOLERANCE * max(scale, 1e-6):
        return f"changes the output by {worst:.2g} on a scale of {scale:.2g} though only zeros were removed"
    return None


def _random_cut(groups: tuple[ChannelGroup, ...], chosen: tuple[ChannelGroup, ...], seed: int) -> Kept:
    kept = dict(full(groups))
    dice = np.random.default_rng(seed)
    for group in chosen:
        removed = max(1, round(group.channels * _REMOVED_SHARE))
        kept[group.root] = tuple(_sorted_rest(dice, group.channels, removed))
    return kept


def _sorted_rest(dice: np.random.Generator, channels: int, removed: int) -> Iterator[int]:
    return (int(channel) for channel in sorted(dice.permutation(channels)[removed:]))
