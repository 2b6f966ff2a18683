"""A model on its way down: what is left of it, and the variant that its weights come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
import torch
from torch import nn

from controller.core.nouns.variant import Variant
from controller.pruning.errors import StructureError
from controller.pruning.graph.cut import cut
from controller.pruning.graph.probe import unsound
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.prunable import Prunable
from controller.pruning.recover.distil import Recovered
from controller.pruning.shelf import Kin


@dataclass(frozen=True, slots=True)
class Trained:
    """What a recovery took."""

    epochs: float = 0.0
    cpu_s: float = 0.0

    def and_by(self, recovered: Recovered | None) -> Trained:
        if recovered is None:
            return self
        return Trained(self.epochs + recovered.epochs, self.cpu_s + recovered.cpu_s)


@dataclass(frozen=True, slots=True)
class Stage:
    """`module` has the structure `structure`; `trained` is since it was cut from the variant `parent`."""

    module: nn.Module
    structure: Structure
    parent: str | None = None
    trained: Trained = Trained()

    @property
    def digest(self) -> str:
        """sha256 over what is left and its weights; counters that a run moves are not of them."""
        return weights_digest(self.module, msgspec.json.encode(self.structure))

    def cut(self, prunable: Prunable, wanted: Structure) -> nn.Module:
        """A copy with only what is wanted. Raises `StructureError`."""
        return cut(self.module, prunable.groups, self.structure, wanted)

    def cut_soundly(self, prunable: Prunable, wanted: Structure) -> nn.Module:
        """The same of a structure that passes the soundness probe itself, in eval mode. Raises `StructureError`."""
        reason = unsound(prunable.module, prunable.probes, prunable.groups, wanted)
        if reason is not None:
            raise StructureError(f"the chosen structure {reason}")
        return self.cut(prunable, wanted).eval()


def weights_digest(module: nn.Module, beside: bytes = b"") -> str:
    """sha256 over the module's floating-point weights and their names, after what is `beside` them."""
    digest = hashlib.sha256(beside)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            digest.update(name.encode())
            digest.update(tensor.reshape(-1).contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def dense_stage(prunable: Prunable, variant: Variant | None = None) -> Stage:
    """The dense model, which is `variant` where it is on the shelf."""
    return Stage(prunable.module, prunable.whole, None if variant is None else variant.sha256)


def stage_of(prunable: Prunable, kin: Kin, onward: bool = False) -> Stage:
    """The kin's model, brought back from the shelf; `onward` as a next rung is cut from it."""
    module = dense_stage(prunable).cut(prunable, kin.structure)
    module.load_state_dict(kin.onward() if onward else kin.state())
    return Stage(module.eval(), kin.structure, kin.variant.sha256)
