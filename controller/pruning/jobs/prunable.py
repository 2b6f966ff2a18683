"""What of a model may be removed: groups of units, each down to a floor, and whole residual blocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from controller.pruning.cost.runs import Runs, run_widths
from controller.pruning.graph.blocks import find_blocks
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups
from controller.pruning.graph.structure import ChannelGroup, Structure, full

_NARROW = 8
_SMALLEST_SHARE = 0.25


@dataclass(frozen=True)
class Prunable:
    """Of `module`, traced with the batch of one `sample`. What is removable passed a probe on the inputs `probes`.

    `probes` are `[samples, ...]`, `sample` is `[1, ...]`; `seed` draws the units that the probe removes.
    """

    module: nn.Module
    sample: torch.Tensor
    probes: torch.Tensor
    seed: int

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Residual blocks that may be dropped."""
        return find_blocks(self.module, self.probes)

    @cached_property
    def _grouping(self) -> tuple[Runs, Mapping[str, str]]:
        groups, refused = find_groups(self.module, self.sample)
        sound, unsound = sound_groups(self.module, self.probes, groups, self.seed, self.blocks)
        runs = run_widths(self.module, self.sample, sound, self.blocks)
        return runs, {**refused, **unsound, **runs.refused}

    @property
    def runs(self) -> Runs:
        """The operators that run at each group's widths."""
        return self._grouping[0]

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """Groups that passed the probe and can be priced."""
        return self.runs.groups

    @property
    def refused(self) -> Mapping[str, str]:
        """Why other groups are kept dense."""
        return self._grouping[1]

    @property
    def told(self) -> str:
        blocks = f", {len(self.blocks)} droppable blocks" if self.blocks else ""
        return f"{len(self.groups)} prunable groups{blocks}, {len(self.refused)} kept dense"

    @cached_property
    def whole(self) -> Structure:
        """The dense model's."""
        return full(self.groups)

    @cached_property
    def floors(self) -> dict[str, int]:
        """The narrowest that each group may become: eight units, or a quarter of fewer than sixteen."""
        return {
            group.root: _NARROW if group.channels >= 2 * _NARROW else max(1, round(group.channels * _SMALLEST_SHARE))
            for group in self.groups
        }

    @cached_property
    def smallest(self) -> Structure:
        """Every group at its floor, and no block that may be dropped."""
        kept = {root: units[: self.floors[root]] for root, units in self.whole.kept.items()}
        return Structure(kept, self.blocks)

    @cached_property
    def flops(self) -> int:
        """Of one inference of the dense model."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.module(self.sample)
        return max(int(counter.get_total_flops()), 1)

    def has(self, roots: Collection[str], dropped: Collection[str]) -> bool:
        """Whether a structure of these groups and without these blocks is of this model: another release may have
        grouped otherwise."""
        return set(roots) == {group.root for group in self.groups} and set(dropped) <= set(self.blocks)
