"""An earlier variant of a model, as a job finds it: its artifact, its weights, and what it was made from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import nn

from controller.core.artifacts import file_name
from controller.core.nouns.variant import Variant
from controller.pruning.graph.structure import Structure


@dataclass(frozen=True, slots=True)
class Kin:
    """An earlier variant of the model: its structure, and where its artifact and its fp32 weights are.

    A ladder's rung also has the weights that training goes on from, which are not those of the artifact.
    """

    variant: Variant
    structure: Structure
    weights: Path

    @property
    def artifact(self) -> Path:
        return self.weights.with_name(file_name(self.variant.sha256, self.variant.runtime))

    def state(self) -> dict[str, torch.Tensor]:
        return dict(load(self.weights.read_bytes()))

    def onward(self) -> dict[str, torch.Tensor]:
        path = onward_of(self.weights)
        return dict(load(path.read_bytes())) if path.is_file() else self.state()


def label(digest: str, structure: Structure, variant: Variant) -> dict[str, str]:
    """What is written into the weights' file, and read back by `read`."""
    return {
        "model_digest": digest,
        "structure": msgspec.json.encode(structure).decode(),
        "variant": msgspec.json.encode(variant).decode(),
    }


def read(weights: Path, digests: Collection[str]) -> Kin | None:
    """The kin whose weights these are; None where they are torn, of a model of other digests or of another release."""
    try:
        with safe_open(weights, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):  # not ours, or torn: the job makes it anew
        return None
    if metadata.get("model_digest") not in digests:
        return None
    try:
        variant = msgspec.json.decode(metadata["variant"], type=Variant)
        structure = msgspec.json.decode(metadata["structure"], type=Structure)
    except msgspec.ValidationError:  # of another release, which wrote down other things
        return None
    return Kin(variant, structure, weights)


def state_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}


def onward_of(weights: Path) -> Path:
    """Where the weights are that training goes on from."""
    return weights.with_suffix(".onward")
