"""What jobs leave for later jobs of the same model, beside the artifacts: recovered weights and measured points."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import nn

from controller.core.types import Caps, Variant
from controller.pruning.artifact.export import write_artifact
from controller.pruning.cost.predict import Costs, Point
from controller.pruning.graph.structure import Structure


@dataclass(frozen=True, slots=True)
class Kin:
    """An earlier variant of the model: its structure and where its weights are."""

    variant: Variant
    structure: Structure
    weights: Path

    def state(self) -> dict[str, torch.Tensor]:
        return dict(load(self.weights.read_bytes()))

    def share(self, caps: Caps) -> float:
        """Its highest cost over cap."""
        return max(self._costs.shares(caps).values(), default=0.0)

    def above(self, caps: Caps) -> bool:
        """True where it exceeds every cap, so that a variant under them can be cut from it."""
        return all(share > 1 for share in self._costs.shares(caps).values())

    @property
    def _costs(self) -> Costs:
        return Costs(
            ram_bytes=self.variant.ram_bytes,
            storage_bytes=self.variant.size_bytes,
            latency_s=self.variant.latency_p95_s,
        )


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of artifacts, seen by jobs of the model whose digest is `digest`."""

    folder: Path
    digest: str

    def put(self, artifact: bytes, variant: Variant, structure: Structure, module: nn.Module) -> None:
        """Keep the artifact for devices, the weights for later prunes. The artifact is on disk when this returns."""
        metadata = {
            "model_digest": self.digest,
            "kept": json.dumps(structure.kept),
            "dropped": json.dumps(structure.dropped),
            "variant": msgspec.json.encode(variant).decode(),
        }
        state = {name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}
        write_artifact(save(state, metadata), self._weights(variant.sha256))
        write_artifact(artifact, self.folder / f"{variant.sha256}.onnx")

    def kin(self, sha256s: tuple[str, ...]) -> list[Kin]:
        """Those of the named variants that are here and are of this model."""
        found = []
        for sha256 in sha256s:
            path = self._weights(sha256)
            if not path.is_file():
                continue
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
            if metadata.get("model_digest") != self.digest:
                continue
            kept = {root: tuple(channels) for root, channels in json.loads(metadata["kept"]).items()}
            structure = Structure(kept, tuple(json.loads(metadata.get("dropped", "[]"))))
            found.append(Kin(msgspec.json.decode(metadata["variant"], type=Variant), structure, path))
        return found

    def points(self) -> list[Point]:
        """The costs measured by earlier jobs of this model on this host."""
        try:
            lines = self._points.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=Point) for line in lines]

    def add_point(self, point: Point) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._points.open("ab", buffering=0) as file:  # one unbuffered append: jobs may run side by side
            file.write(msgspec.json.encode(point) + b"\n")

    @property
    def _points(self) -> Path:
        return self.folder / f"costs-{self.digest[:16]}.jsonl"

    def _weights(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.safetensors"
