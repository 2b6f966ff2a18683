"""What a structure's artifact was measured to cost, a line each, for the predictions of later jobs."""

from __future__ import annotations

import msgspec

from controller.core.costs import Costs
from controller.core.nouns.variant import Precision
from controller.pruning.graph.structure import Structure


class Point(msgspec.Struct, frozen=True):
    """What a structure's artifact was measured to cost on this host, whichever units of these widths it keeps.

    Where it was exported and not run, `only_bytes` are measured, and the rest is what was predicted.
    """

    widths: dict[str, int]
    dropped: tuple[str, ...]
    precision: Precision
    costs: Costs
    only_bytes: bool = False

    def is_of(self, structure: Structure) -> bool:
        return (self.widths, self.dropped) == (structure.widths, structure.dropped)
