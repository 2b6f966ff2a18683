"""A mask for every unit and block, sample by sample, through which a model runs: at 0 it is as if that were gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from controller.pruning.estimate.readers import Reader, changed
from controller.pruning.graph.structure import ChannelGroup


@dataclass(frozen=True, slots=True)
class Masks:
    """For the samples of one batch: `units[root]` `[samples, units]` and `blocks[name]` `[samples, 1]`."""

    units: Mapping[str, torch.Tensor]
    blocks: Mapping[str, torch.Tensor]

    @staticmethod
    def ones(samples: int, groups: Sequence[ChannelGroup], blocks: Sequence[str]) -> Masks:
        """Nothing is masked, and of each mask there is a gradient."""
        units = {group.root: torch.ones(samples, group.channels, requires_grad=True) for group in groups}
        return Masks(units, {block: torch.ones(samples, 1, requires_grad=True) for block in blocks})

    @property
    def leaves(self) -> list[torch.Tensor]:
        return [*self.units.values(), *self.blocks.values()]


@contextlib.contextmanager
def masked(
    model: nn.Module, readers: Sequence[Reader], means: Mapping[str, torch.Tensor], masks: Masks
) -> Iterator[None]:
    """Within it `model` runs through the `masks`. A unit that is masked leaves its mean, `means[reader]` `[channels]`:
    biases and the normalisation that follows make up for that at once. A masked block hands its input through.
    """

    def through(reader: Reader, read: torch.Tensor) -> torch.Tensor:
        last, mean = reader.channels_last(read), means[reader.name]
        kept = torch.ones(len(read), last.shape[-1])
        for root, units in reader.units.items():
            kept = torch.where(units >= 0, _for_rows(masks.units[root], len(read))[:, units.clamp(min=0)], kept)
        shape = (len(read), *(1,) * (last.ndim - 2), last.shape[-1])
        return reader.as_read(mean + (last - mean) * kept.reshape(shape))

    with changed(readers, through), contextlib.ExitStack() as stack:
        for name, mask in masks.blocks.items():
            stack.enter_context(_gated(model.get_submodule(name), mask))
        yield


@contextlib.contextmanager
def _gated(block: nn.Module, mask: torch.Tensor) -> Iterator[None]:
    read = list[torch.Tensor]()

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A copy: the block may change it in place."""
        read[:] = [each.clone() for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor)]

    def gate(_: nn.Module, __: tuple[Any, ...], made: torch.Tensor) -> torch.Tensor:
        return read[0] + _for_rows(mask, len(made)).reshape(-1, *(1,) * (made.ndim - 1)) * (made - read[0])

    handles = block.register_forward_pre_hook(keep, with_kwargs=True), block.register_forward_hook(gate)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _for_rows(mask: torch.Tensor, rows: int) -> torch.Tensor:
    """Where a layer reads other rows than samples, several of them share a sample's mask."""
    return mask if len(mask) == rows else mask.repeat_interleave(-(-rows // len(mask)), 0)[:rows]
