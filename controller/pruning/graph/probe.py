"""The soundness probe: a group may be pruned only if pruning zeroed channels changes nothing.

The grouping library corrupts some graphs without an exception (a channel shuffle, for one). A model in which units are
zero where they are made and where they are read must answer exactly as the same model without those units.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import nn

from controller.pruning.graph.cut import cut, masked
from controller.pruning.graph.structure import ChannelGroup, Structure, full
from controller.pruning.model.outputs import all_outputs, output_name

_MILD_SHARE = 0.4  # so much at most is removed first: a net that is cut to almost nothing may say nothing at all
_TOLERANCE = 1e-4  # of the largest output; sums in another order differ by 1e-6, a wrong channel by 1e-1
_DROPPED_SHARE = 0.5


def sound_groups(
    model: nn.Module,
    probes: torch.Tensor,
    groups: tuple[ChannelGroup, ...],
    seed: int,
    blocks: tuple[str, ...] = (),
) -> tuple[tuple[ChannelGroup, ...], dict[str, str]]:
    """The groups that may be pruned in any combination, also with `blocks` dropped, and why each other one may not.

    `probes` is a batch of several inputs. Groups are taken up by halves, and each half joins those that are already
    taken up, so one that fails only beside another is found too.
    """
    refused = dict[str, str]()

    def take(taken: tuple[ChannelGroup, ...], more: tuple[ChannelGroup, ...]) -> tuple[ChannelGroup, ...]:
        reason = _fails(model, probes, (*taken, *more), seed, blocks)
        if reason is None:
            return (*taken, *more)
        if len(more) == 1:
            refused[more[0].root] = reason
            return taken
        half = len(more) // 2
        return take(take(taken, more[:half]), more[half:])

    sound = {group.root for group in take((), groups)} if groups else set()
    return tuple(group for group in groups if group.root in sound), refused


def unsound(model: nn.Module, probes: torch.Tensor, groups: tuple[ChannelGroup, ...], wanted: Structure) -> str | None:
    """None where the dense `model` cut to `wanted` answers as the masked one; else what differs."""
    try:
        smaller = cut(model, groups, full(groups), wanted).eval()
        with torch.no_grad():
            expected = all_outputs(masked(model, groups, wanted).eval()(probes))
            got = all_outputs(smaller(probes))
    except Exception as error:  # a wrong grouping shows as any error of a layer
        return f"fails when pruned: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if len(expected) != len(got):
        return f"changes the number of outputs from {len(expected)} to {len(got)}"
    differing = (_differs(output_name(number), *pair) for number, pair in enumerate(zip(expected, got, strict=True)))
    return next((reason for reason in differing if reason is not None), None)


def _differs(name: str, expected: torch.Tensor, got: torch.Tensor) -> str | None:
    if expected.shape != got.shape:
        return f"changes the {name}'s shape from {list(expected.shape)} to {list(got.shape)}"
    expected, got = expected.double(), got.double()  # an output may be of whole numbers, or true and false
    scale = float(expected.abs().max())
    worst = float((expected - got).abs().max())
    if not worst <= _TOLERANCE * max(scale, 1e-6):
        return f"changes the {name} by {worst:.2g} on a scale of {scale:.2g} though only zeros were removed"
    return None


def _fails(
    model: nn.Module, probes: torch.Tensor, groups: tuple[ChannelGroup, ...], seed: int, blocks: tuple[str, ...]
) -> str | None:
    mild = _random(groups, (), seed, _MILD_SHARE)
    return unsound(model, probes, groups, mild) or unsound(model, probes, groups, _random(groups, blocks, seed + 1, 1))


def _random(groups: tuple[ChannelGroup, ...], blocks: tuple[str, ...], seed: int, most: float) -> Structure:
    """Some units of every group, another share of each, so that what only holds for equal shares does not pass.

    A group's units do not depend on what other groups there are.
    """
    dice = np.random.default_rng(seed)
    dropped = tuple(sorted(block for block in blocks if dice.random() < _DROPPED_SHARE))
    return Structure({group.root: _some(group, seed, most) for group in groups}, dropped)


def _some(group: ChannelGroup, seed: int, most: float) -> tuple[int, ...]:
    dice = np.random.default_rng([seed, zlib.crc32(group.root.encode())])
    removed = int(dice.integers(1, max(2, round(most * group.channels))))
    return tuple(sorted(int(unit) for unit in dice.permutation(group.channels)[removed:]))
