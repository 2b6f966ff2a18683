"""Where a model reads its units, and a mask for each unit that all of its readers share.

Removing a unit is the same as no layer reading it. Between its maker and its readers stand normalisations, depthwise
convolutions and sums; a mask at the readers takes all of these in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from controller.pruning.graph.layers import depthwise
from controller.pruning.graph.structure import ChannelGroup, Touch

Change = Callable[["Reader", torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Reader:
    """A layer that reads units: `units[root]` `[channels]` is the unit of the group that each input channel belongs
    to, -1 where it belongs to none."""

    name: str
    layer: nn.Module
    units: Mapping[str, torch.Tensor]

    def channels_last(self, read: torch.Tensor) -> torch.Tensor:
        """A view of what it reads, `[n, ..., channels]`."""
        return read if isinstance(self.layer, nn.Linear) else read.movedim(1, -1)

    def as_read(self, channels_last: torch.Tensor) -> torch.Tensor:
        return channels_last if isinstance(self.layer, nn.Linear) else channels_last.movedim(-1, 1)


def find_readers(model: nn.Module, groups: Sequence[ChannelGroup]) -> tuple[Reader, ...]:
    """Every layer that reads units of some of the `groups`, by name."""
    layers = dict(model.named_modules())
    touches: dict[str, list[tuple[str, Touch]]] = {}
    for group in groups:
        for touch in group.touches:
            if not touch.output:
                touches.setdefault(touch.layer, []).append((group.root, touch))
    return tuple(
        Reader(name, layers[name], {root: _units(layers[name], touch) for root, touch in touches[name]})
        for name in sorted(touches)
    )


@contextlib.contextmanager
def changed(readers: Sequence[Reader], change: Change) -> Iterator[None]:
    """Within it each reader reads what `change` makes of its input."""

    def hook(reader: Reader) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def change_input(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return change(reader, args[0]), *args[1:]

        return change_input

    handles = [reader.layer.register_forward_pre_hook(hook(reader)) for reader in readers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _units(layer: nn.Module, touch: Touch) -> torch.Tensor:
    """Rows of a grouped convolution's input count within each of its groups: a unit has that row of every one."""
    groups = 1 if depthwise(layer) else int(getattr(layer, "groups", 1))
    inputs = int(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)  # type: ignore[arg-type]
    units = torch.full((groups, inputs // groups), -1, dtype=torch.long)
    for unit, rows in enumerate(touch.rows):
        units[:, list(rows)] = unit
    return units.reshape(-1)
