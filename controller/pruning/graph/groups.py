"""Finding the groups of a dense model: rows that depend on each other are a unit, units of one layer are a group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn

from controller.pruning.graph.heads import head_groups
from controller.pruning.graph.layers import Conv, depthwise, width
from controller.pruning.graph.structure import ChannelGroup, Touch, Unit
from controller.pruning.graph.trace import REACHES_OUTPUT, Dependencies, Place, dependencies
from controller.pruning.model.attention import HeadAttention

_Rows = dict[tuple[str, bool], set[int]]
"""Of one unit: (layer, output) to rows."""


def find_groups(model: nn.Module, sample: torch.Tensor) -> tuple[tuple[ChannelGroup, ...], Mapping[str, str]]:
    """The prunable groups of the dense `model`, and for every other root why it is kept dense.

    `sample` is one batch. What reaches the model's output is no candidate and is not listed. Raises `StructureError`.
    """
    found = dependencies(model, sample)
    layers = dict(model.named_modules())
    order = {name: place for place, name in enumerate(layers)}
    held = _held_back(model)
    by_root: dict[str, list[tuple[_Rows, str | None]]] = defaultdict(list)
    for places in _units(found, layers):
        rows = _rows(found, places, layers)
        if (root := _root(rows, layers, order)) is not None:
            by_root[root].append((rows, _reason(found, places, rows, layers, held)))
    groups, refused = list(head_groups(model)), dict[str, str]()
    for root in sorted(by_root, key=order.__getitem__):
        reasons = {reason: None for _, reason in by_root[root]}
        units = sorted((rows for rows, _ in by_root[root]), key=lambda rows: min(rows[root, True]))
        reason = next(iter(reasons)) if len(reasons) == 1 else _mixed(reasons)
        reason = reason or _too_few(units, root, layers)
        if reason is None:
            groups.append(_group(root, units, layers))
        elif reason != REACHES_OUTPUT:
            refused[root] = reason
    return tuple(sorted(groups, key=lambda group: order[group.root])), refused


def _mixed(reasons: Iterable[str | None]) -> str | None:
    """One reason for a layer some of whose channels could be removed, or stay for another reason than the rest."""
    given = [reason for reason in reasons if reason is not None and reason != REACHES_OUTPUT]
    return given[0] if given else "some of its channels are the model's output"


def _units(found: Dependencies, layers: Mapping[str, nn.Module]) -> Iterable[list[Place]]:
    """The sets of rows that only go together."""
    parent: dict[Place, Place] = {}

    def top(place: Place) -> Place:
        parent.setdefault(place, place)
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in (*found.links, *_partitions(found, layers)):
        parent[top(one)] = top(other)
    units: dict[Place, list[Place]] = defaultdict(list)
    for place in parent:
        units[top(place)].append(place)
    return units.values()


def _partitions(found: Dependencies, layers: Mapping[str, nn.Module]) -> Iterator[tuple[Place, Place]]:
    """Rows that a layer allows to be removed only together: slots of convolution groups, normalisation groups."""
    numbers = {side: number for number, side in enumerate(found.sides) if side is not None}
    for side, number in numbers.items():
        layer = layers[side.layer]
        if isinstance(layer, nn.GroupNorm):
            size = layer.num_channels // layer.num_groups
            yield from (((number, row), (number, row - row % size)) for row in range(layer.num_channels))
        elif isinstance(layer, Conv) and layer.groups > 1 and side.output and depthwise(layer):
            # One number for both sides where an input channel makes one output channel.
            read = next((n for s, n in numbers.items() if s.layer == side.layer and not s.output), number)
            times = layer.out_channels // layer.in_channels
            yield from (((number, row), (read, row // times)) for row in range(layer.out_channels))
        elif isinstance(layer, Conv) and layer.groups > 1 and not depthwise(layer):
            channels = layer.out_channels if side.output else layer.in_channels
            slots = channels // layer.groups
            yield from (((number, row), (number, row % slots)) for row in range(channels))


def _rows(found: Dependencies, places: list[Place], layers: Mapping[str, nn.Module]) -> _Rows:
    rows: _Rows = defaultdict(set)
    for number, row in places:
        side = found.sides[number]
        if side is None:
            continue
        layer = layers[side.layer]
        if not side.output and isinstance(layer, Conv) and layer.groups > 1:
            if depthwise(layer):
                continue  # what it reads goes with what it makes
            row %= layer.in_channels // layer.groups
        rows[side.layer, side.output].add(row)
    return rows


def _root(rows: _Rows, layers: Mapping[str, nn.Module], order: Mapping[str, int]) -> str | None:
    makers = [name for name, output in rows if output and isinstance(layers[name], (Conv, nn.Linear))]
    makers = [name for name in makers if not depthwise(layers[name])] or makers
    return min(makers, key=order.__getitem__, default=None)


def _reason(
    found: Dependencies, places: list[Place], rows: _Rows, layers: Mapping[str, nn.Module], held: Mapping[str, str]
) -> str | None:
    """Why this unit stays, if it does."""
    reasons = [found.blocked[place] for place in places if place in found.blocked]
    if REACHES_OUTPUT in reasons:
        return REACHES_OUTPUT
    if reasons:
        return reasons[0]
    for (name, output), touched in rows.items():
        if name in held:
            return held[name]
        if max(touched) >= width(layers[name], output):
            return f"runs through a step before '{name}' whose channels cannot be followed"
    return None


def _held_back(model: nn.Module) -> dict[str, str]:
    """Layers that cannot be cut: their weight is another's too, or is computed anew in every run."""
    owners: dict[int, list[str]] = defaultdict(list)
    for name, module in model.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                owners[id(parameter)].append(f"{name}.{key}")
    held = dict[str, str]()
    for name, module in model.named_modules():
        if isinstance(module, (Conv, nn.Linear)) and module._parameters.get("weight") is None:
            held[name] = f"runs through {type(module).__name__} '{name}', whose weight is computed"
        for key, parameter in module._parameters.items():
            others = [other for other in owners[id(parameter)] if other != f"{name}.{key}"]
            if parameter is not None and others:
                held[name] = f"runs through '{name}.{key}', which is tied to '{others[0]}'"
        if isinstance(module, HeadAttention):
            held.update((f"{name}.{part}", "belongs to an attention head") for part in ("q", "k", "v", "out"))
    return held


def _too_few(units: list[_Rows], root: str, layers: Mapping[str, nn.Module]) -> str | None:
    if len(units) > 1:
        return None
    if width(layers[root], True) == 1:
        return "has a single channel"
    ties = [name for name, _ in units[0] if _partitioned(layers[name])] or [root]
    return f"runs through {type(layers[ties[0]]).__name__} '{ties[0]}', which ties all of its channels together"


def _partitioned(layer: nn.Module) -> bool:
    return isinstance(layer, nn.GroupNorm) or (isinstance(layer, Conv) and layer.groups > 1)


def _group(root: str, units: list[_Rows], layers: Mapping[str, nn.Module]) -> ChannelGroup:
    sides = list(dict.fromkeys(side for rows in units for side in rows))
    touches = tuple(
        Touch(name, output, tuple(tuple(sorted(rows.get((name, output), ()))) for rows in units))
        for name, output in sides
    )
    kinds = {type(layers[name]) for name, _ in sides if _partitioned(layers[name]) and not depthwise(layers[name])}
    unit = Unit.CHANNEL if not kinds else Unit.NORM_GROUP if kinds == {nn.GroupNorm} else Unit.SLOT
    return ChannelGroup(root, len(units), touches, unit)
