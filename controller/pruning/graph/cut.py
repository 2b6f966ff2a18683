"""Cutting a model down to a structure, and the reference that a cut must answer like."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from controller.pruning.errors import StructureError
from controller.pruning.graph.layers import depthwise, set_width, slices, width
from controller.pruning.graph.structure import ChannelGroup, Structure, Unit, removed_rows, within


class Dropped(nn.Identity):
    """In place of a residual block: hands its first input through, whatever else the block was given."""

    def forward(self, input: torch.Tensor, *_: object, **__: object) -> torch.Tensor:  # noqa: A002 - torch's own name
        return input


def cut(model: nn.Module, groups: tuple[ChannelGroup, ...], now: Structure, wanted: Structure) -> nn.Module:
    """A copy of `model`, whose structure is `now`, with only what is `wanted`: a subset. Raises `StructureError`."""
    _check(groups, now, wanted)
    smaller = copy.deepcopy(model)
    smaller.requires_grad_(True)
    for block in wanted.dropped:
        if not within(block, now.dropped):
            smaller.set_submodule(block, Dropped())
    layers = dict(smaller.named_modules())
    gone, unwanted = removed_rows(groups, now), removed_rows(groups, wanted)
    for (name, output), rows in unwanted.items():
        if rows != gone[name, output]:
            # A grouped convolution may be down to one slot and look depthwise; but that never has a side that reads.
            whole_groups = depthwise(layers[name]) and (name, False) not in unwanted
            _keep(layers[name], output, gone[name, output], rows, whole_groups)
    for group in groups:
        if group.unit is Unit.HEAD and group.root in layers:
            layers[group.root].num_heads = len(wanted.kept[group.root])
    return smaller


def grown(model: nn.Module, group: ChannelGroup) -> nn.Module:
    """A copy of the dense `model` with a unit more in `group`: its last one twice, so that only sizes mean anything."""
    larger = copy.deepcopy(model)
    layers = dict(larger.named_modules())
    for touch in group.touches:
        layer = layers[touch.layer]
        # Beside the rows that they repeat: the slots of a grouped convolution lie apart.
        rows = sorted((*range(width(layer, touch.output)), *touch.rows[-1]))
        _select(layer, touch.output, rows, depthwise(layer))
    if group.unit is Unit.HEAD:
        layers[group.root].num_heads += 1
    return larger


def masked(model: nn.Module, groups: tuple[ChannelGroup, ...], wanted: Structure) -> nn.Module:
    """A copy of the dense `model` in which all that is not `wanted` is zero, where made and where read."""
    zeroed = copy.deepcopy(model)
    layers = dict(zeroed.named_modules())
    with torch.no_grad():
        for (name, output), rows in removed_rows(groups, wanted).items():
            for tensor, axis in slices(layers[name], output):
                if not tensor.startswith("running_"):
                    getattr(layers[name], tensor).index_fill_(axis, torch.tensor(sorted(rows), dtype=torch.long), 0.0)
        for block in wanted.dropped:
            for parameter in layers[block].parameters():
                parameter.zero_()
    return zeroed


def _check(groups: tuple[ChannelGroup, ...], now: Structure, wanted: Structure) -> None:
    missing = {group.root for group in groups} - (now.kept.keys() & wanted.kept.keys())
    if missing:
        raise StructureError(f"the structure does not say what is kept of {min(missing)}")
    for group in groups:
        root = group.root
        if not wanted.kept[root]:
            raise StructureError(f"{root}: nothing of it would be left")
        if not set(wanted.kept[root]) <= set(now.kept[root]) <= set(range(group.channels)):
            raise StructureError(f"{root}: a cut can only remove units")
    if not all(within(block, wanted.dropped) for block in now.dropped):
        raise StructureError("a cut cannot bring a dropped block back")


def _keep(layer: nn.Module, output: bool, gone: set[int], unwanted: set[int], whole_groups: bool) -> None:
    """Of the rows that the layer has (the dense ones that are not `gone`) keep those that are not `unwanted`."""
    rows = (row for row in range(width(layer, output) + len(gone)) if row not in gone)
    kept = [position for position, row in enumerate(rows) if row not in unwanted]
    _select(layer, output, kept, whole_groups)


def _select(layer: nn.Module, output: bool, positions: Sequence[int], whole_groups: bool) -> None:
    """Make the layer's rows those that are now at `positions`, in that order."""
    for name, axis in slices(layer, output):
        tensor = getattr(layer, name)
        chosen = tensor.detach().index_select(axis, torch.tensor(positions, dtype=torch.long))
        setattr(layer, name, nn.Parameter(chosen) if isinstance(tensor, nn.Parameter) else chosen)
    set_width(layer, output, len(positions), whole_groups)
