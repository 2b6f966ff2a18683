"""A model on its way down: what is left of it, and the variant that its weights come from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from controller.pruning.bench import Bench
from controller.pruning.graph.cut import cut
from controller.pruning.graph.structure import Structure, full
from controller.pruning.shelf import Kin


@dataclass(frozen=True, slots=True)
class Stage:
    """`module` has the structure `structure`; `parent` is None for the dense model."""

    module: nn.Module
    structure: Structure
    parent: str | None = None

    def cut(self, bench: Bench, wanted: Structure) -> nn.Module:
        """A copy with only what is wanted. Raises `StructureError`."""
        return cut(self.module, bench.groups, self.structure, wanted)


def dense_stage(bench: Bench) -> Stage:
    return Stage(bench.model.module, full(bench.groups))


def stage_of(bench: Bench, kin: Kin) -> Stage:
    """The kin's model, brought back from the shelf."""
    module = dense_stage(bench).cut(bench, kin.structure)
    module.load_state_dict(kin.state())
    return Stage(module.eval(), kin.structure, kin.variant.sha256)
