"""The workbench of one job: the loaded model, its prunable groups, and how an artifact is made and measured."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import nn

from controller.pruning.artifact.export import ExportError, export_onnx, run_artifact, write_artifact
from controller.pruning.artifact.measure import Measured, measure
from controller.pruning.artifact.parity import check_parity
from controller.pruning.cost.predict import Costs, Point
from controller.pruning.cost.work import WorkModel, describe_work
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups
from controller.pruning.graph.structure import ChannelGroup, Structure
from controller.pruning.job import Progress
from controller.pruning.judge.accuracy import Accuracy, classify
from controller.pruning.model.data import Floats, data_digest
from controller.pruning.model.load import LoadedModel, load_model
from controller.pruning.model.outputs import answers
from controller.pruning.shelf import Shelf
from controller.pruning.spec import ModelSpec

PARITY_SAMPLES = 256
_PROBE_SAMPLES = 8
_PACKAGES = ("torch", "torch-pruning", "onnxruntime", "hedgerow")


@dataclass(frozen=True, slots=True)
class Built:
    """An artifact with what its exact bytes were measured to cost."""

    artifact: bytes
    sha256: str
    measured: Measured


@dataclass(frozen=True)
class Bench:
    """What every step of a job needs. `groups` passed the soundness probe; `refused` says why others are kept dense."""

    model: LoadedModel
    shelf: Shelf
    seed: int
    progress: Progress
    sample: torch.Tensor

    @cached_property
    def _grouping(self) -> tuple[tuple[ChannelGroup, ...], Mapping[str, str]]:
        groups, refused = find_groups(self.model.module, self.sample)
        sound, unsound = sound_groups(self.model.module, self.probes, groups, self.seed)
        return sound, {**refused, **unsound}

    @cached_property
    def probes(self) -> torch.Tensor:
        """A few inputs for the soundness probe."""
        return torch.from_numpy(self.inputs(_PROBE_SAMPLES))

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        return self._grouping[0]

    @property
    def refused(self) -> Mapping[str, str]:
        return self._grouping[1]

    @cached_property
    def work(self) -> WorkModel:
        return describe_work(self.model.module, self.sample, self.groups)

    @cached_property
    def teacher(self) -> Floats:
        """The dense model's answers for the train split."""
        assert self.model.data is not None
        return answers(self.model.module, self.model.data.train.inputs)

    def inputs(self, count: int) -> Floats:
        """`count` inputs: of the select and gate splits, and random ones where these are too few."""
        dice = np.random.default_rng(self.seed)
        random = dice.standard_normal((count, *self.model.sample_shape)).astype(np.float32)
        if self.model.data is None:
            return random
        real = np.concatenate([self.model.data.select.inputs, self.model.data.gate.inputs])[:count]
        return np.concatenate([real, random[len(real) :]])

    def note_point(self, structure: Structure, costs: Costs) -> Point:
        """Keep what a structure was measured to cost, for the predictions of this job and of later ones."""
        point = Point(self.work.work(structure.widths), costs)
        self.shelf.add_point(point)
        return point

    def build(self, module: nn.Module, samples: int, repeats: int) -> Built:
        """Export `module` and measure the bytes. Raises `ExportError`, `MeasureError`."""
        artifact = export_onnx(module, self.sample)
        sha256 = hashlib.sha256(artifact).hexdigest()
        with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
            path = Path(folder) / f"{sha256}.onnx"
            write_artifact(artifact, path)
            measured = measure(path, sha256, self.seed, samples, repeats)
        return Built(artifact, sha256, measured)

    def judge(self, module: nn.Module, built: Built) -> tuple[float, Accuracy | None]:
        """Parity with `module` (raises `ExportError`), and the artifact's accuracy where the gate has labels."""
        parity = check_parity(module, built.artifact, self.inputs(PARITY_SAMPLES)).worst
        gate = None if self.model.data is None else self.model.data.gate
        if gate is None or gate.labels is None:
            return parity, None
        outputs = run_artifact(built.artifact, gate.inputs)
        if outputs.ndim != 2 or int(gate.labels.max()) >= outputs.shape[1]:
            classes = int(gate.labels.max()) + 1
            raise ExportError(f"the output is {list(outputs.shape[1:])}, the gate's labels need one number for each of "
                              f"{classes} classes")  # fmt: skip
        return parity, classify(outputs, gate.labels)

    def provenance(self) -> dict[str, object]:
        """What every variant's lineage starts with."""
        data = self.model.data
        return {
            "model_digest": self.model.digest,
            "seed": self.seed,
            "data_sha256": None if data is None else data_digest(data),
            "gate_samples": 0 if data is None else len(data.gate.inputs),
            "versions": {package: _version(package) for package in _PACKAGES},
        }


def open_bench(spec: ModelSpec, artifact_dir: Path, seed: int, progress: Progress) -> Bench:
    progress(0.02, f"loading {spec.ref}")
    model = load_model(spec)
    torch.manual_seed(seed)
    sample = torch.randn((1, *model.sample_shape))
    return Bench(model, Shelf(artifact_dir, model.digest), seed, progress, sample)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source"
