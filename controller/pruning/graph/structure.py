"""Which channels of a model are kept: the groups that must go together, and cutting a model down to a structure.

Grouping is by torch-pruning's dependency graph (Fang et al., DepGraph, CVPR 2023). A fresh graph is traced for every
cut, and every dict is passed, because the library keeps state in mutable default arguments.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

Kept = Mapping[str, tuple[int, ...]]
"""Root layer's name to the sorted numbers of its kept output channels, in the *dense* model's numbering."""

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)
_CONVS = (nn.modules.conv._ConvNd,)
_PLAIN = (*_CONVS, nn.Linear, *_NORMS, nn.PReLU)


class StructureError(ValueError):
    """A model that cannot be traced, or a cut that its layers do not allow."""


@dataclass(frozen=True, slots=True)
class Touch:
    """How one layer takes part in a group: its output (or input) channels `rows[i]` go with channel i of the root."""

    layer: str
    output: bool
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that exist once, spread over several layers; `root` is the layer that the others follow."""

    root: str
    channels: int
    touches: tuple[Touch, ...]


def full(groups: tuple[ChannelGroup, ...]) -> Kept:
    return {group.root: tuple(range(group.channels)) for group in groups}


def find_groups(model: nn.Module, sample: torch.Tensor) -> tuple[tuple[ChannelGroup, ...], Mapping[str, str]]:
    """The prunable groups, and for every other root why it is kept dense. Raises `StructureError`.

    Whatever reaches the model's output is no candidate and is not listed.
    """
    graph = trace(model, sample)
    names = {module: name for name, module in model.named_modules()}
    groups, refused = list[ChannelGroup](), dict[str, str]()
    for items in graph.get_all_groups(ignored_layers=[], root_module_types=[*_CONVS, nn.Linear]):
        root = names[items[0].dep.target.module]
        if _reaches_output(items):
            continue
        reason = _unsupported(items)
        if reason is None:
            groups.append(_group(root, items, graph, names))
        else:
            refused[root] = reason
    return tuple(groups), refused


def trace(model: nn.Module, sample: torch.Tensor) -> Any:
    """torch-pruning's dependency graph of `model`; `sample` is one batch. Raises `StructureError`."""
    try:
        with torch.enable_grad():
            return tp.DependencyGraph().build_dependency(
                model,
                example_inputs=sample,
                forward_fn=lambda module, batch: module(batch),
                output_transform=lambda output: output,
                unwrapped_parameters=[],
                customized_pruners={},
                ignored_layers=[],
                ignored_params=[],
                verbose=False,
            )
    except Exception as error:  # the tracer runs the operator's code and raises anything
        reason, shape = str(error).splitlines()[:1], list(sample.shape)
        raise StructureError(
            f"the model cannot be traced for pruning with an input of {shape}: "
            f"{type(error).__name__}: {''.join(reason)}"
        ) from error


def cut(model: nn.Module, sample: torch.Tensor, now: Kept, wanted: Kept) -> nn.Module:
    """A copy of `model`, whose channels are `now`, with only the `wanted` ones (a subset). Raises `StructureError`."""
    smaller = copy.deepcopy(model)
    smaller.requires_grad_(True)
    gone = {root: _positions(channels, wanted[root]) for root, channels in now.items()}
    if not any(gone.values()):
        return smaller
    graph = trace(smaller, sample)
    layers = dict(smaller.named_modules())
    for root, positions in gone.items():
        if not positions:
            continue
        layer = layers[root]
        items = graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, positions)
        if not graph.check_pruning_group(items):
            raise StructureError(f"{root}: removing {len(positions)} channels would leave a layer with none")
        items.prune(record_history=False)
    return smaller


def masked(model: nn.Module, groups: tuple[ChannelGroup, ...], wanted: Kept) -> nn.Module:
    """A copy of the dense `model` in which every channel outside `wanted` is zero where made and where read."""
    zeroed = copy.deepcopy(model)
    layers = dict(zeroed.named_modules())
    with torch.no_grad():
        for group in groups:
            gone = set(range(group.channels)) - set(wanted[group.root])
            for touch in group.touches:
                rows = [row for channel in sorted(gone) for row in touch.rows[channel]]
                _zero(layers[touch.layer], rows, touch.output)
    return zeroed


def _positions(now: tuple[int, ...], wanted: tuple[int, ...]) -> list[int]:
    keep = set(wanted)
    if not keep <= set(now):
        raise StructureError("a cut can only remove channels")
    return [position for position, channel in enumerate(now) if channel not in keep]


def _zero(layer: nn.Module, rows: list[int], output: bool) -> None:
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    made = 1 if getattr(layer, "transposed", False) else 0
    if weight.ndim == 1 or output:
        weight.index_fill_(made if weight.ndim > 1 else 0, torch.tensor(rows, dtype=torch.long), 0.0)
        bias = getattr(layer, "bias", None)
        if isinstance(bias, torch.Tensor):
            bias[rows] = 0
    else:
        weight.index_fill_(1 - made, torch.tensor(rows, dtype=torch.long), 0.0)


def _reaches_output(items: Any) -> bool:
    """True where the group's channels are the model's output: a last layer made them, and nothing reads them."""
    made = (item.dep.target for item in items if _makes(item))
    return any(not node.outputs for node in made)


def _makes(item: Any) -> bool:
    layer = item.dep.target.module
    return not _has_weights(layer) or item.dep.handler.__name__ != "prune_in_channels"


def _has_weights(layer: object) -> bool:
    return isinstance(layer, nn.Module) and next(layer.parameters(), None) is not None


def _unsupported(items: Any) -> str | None:
    channels = len(items[0].idxs)
    if channels < 2:
        return "has a single channel"
    for item in items:
        layer = item.dep.target.module
        if isinstance(layer, nn.Parameter):
            return "runs through a bare parameter"
        if not _has_weights(layer):
            continue
        if not isinstance(layer, _PLAIN):
            return f"runs through {type(layer).__name__}, which is not cut"
        if isinstance(layer, _CONVS) and layer.groups > 1 and not _depthwise(layer):
            return "runs through a grouped convolution"
        if isinstance(layer, nn.GroupNorm):
            return "runs through a group normalisation"
        if {*item.root_idxs} != {*range(channels)} or len(item.idxs) % channels:
            return "is only partly shared with another layer"
    return None


def _depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, _CONVS) and layer.groups == layer.in_channels == layer.out_channels


def _group(root: str, items: Any, graph: Any, names: Mapping[nn.Module, str]) -> ChannelGroup:
    channels = len(items[0].idxs)
    touches = []
    for item in items:
        layer = item.dep.target.module
        if not _has_weights(layer):
            continue
        rows = [list[int]() for _ in range(channels)]
        for row, channel in zip(item.idxs, item.root_idxs, strict=True):
            rows[channel].append(row)
        output = graph.is_out_channel_pruning_fn(item.dep.handler) or _depthwise(layer)
        touches.append(Touch(names[layer], bool(output), tuple(map(tuple, rows))))
    return ChannelGroup(root, channels, tuple(touches))
