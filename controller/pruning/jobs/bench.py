"""The workbench of one job: the loaded model with what may be removed, what that costs, and the lab that measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from agent.wire.profile import Runtime
from controller.core.nouns.variant import Precision
from controller.pruning.artifact.export import run_artifact
from controller.pruning.cost.tables import Tables
from controller.pruning.estimate.estimators import USUAL
from controller.pruning.jobs.answers import gate_answers, teacher
from controller.pruning.jobs.costing import Costing
from controller.pruning.jobs.lab import Built, Lab
from controller.pruning.jobs.prunable import Prunable
from controller.pruning.judge.jury import Judged, Jury
from controller.pruning.model.data import data_digest
from controller.pruning.model.examples import examples
from controller.pruning.model.load import LoadedModel, load_model
from controller.pruning.model.passes import pass_seconds
from controller.pruning.paces import host_folder
from controller.pruning.recover.course import Teacher
from controller.pruning.shelf import Kin, Shelf, known_as
from controller.pruning.spec import ModelSpec
from controller.pruning.steps import Steps

_PROBE_SAMPLES = 8
_PACKAGES = ("torch", "torch-pruning", "onnxruntime", "hedgerow")
_CONVERTERS: Mapping[Runtime, tuple[str, ...]] = {Runtime.ONNXRUNTIME: (), Runtime.NCNN: ("ncnn", "pnnx")}


@dataclass(frozen=True)
class Bench:
    """What the steps of a job share."""

    model: LoadedModel
    shelf: Shelf
    seed: int
    steps: Steps
    prunable: Prunable
    costing: Costing
    lab: Lab
    estimator: str = USUAL

    @cached_property
    def pass_s(self) -> float:
        """What a sample of a batch takes forth and back through the dense model, here: a measure for other work."""
        return pass_seconds(self.model, self.prunable.flops, self.seed)

    @cached_property
    def teacher(self) -> Teacher:
        """The dense model's answers for the train and the select split."""
        assert self.model.data is not None
        assert self.data_sha256 is not None
        return teacher(self.shelf, self.model, self.model.data, self.data_sha256)

    def judge(self, built: Built, dense: bool, error: float) -> Judged:
        """Ask the gate; no margin is asked of the `dense` model, and what is worse passes with a chance of `error`.

        Raises `ExportError` where the labels are of other classes than the outputs.
        """
        return self._jury.judge(lambda inputs: run_artifact(built.artifact, inputs, self.lab.runtime), dense, error)

    @cached_property
    def _jury(self) -> Jury:
        return Jury(self.model, partial(gate_answers, self.shelf, self.model))

    def made_for(self, requested: str, precision: Precision) -> Kin | None:
        """The variant that an earlier job made for the same request, of these groups and by these data."""
        kin = self.shelf.made_for(requested, precision)
        if kin is None or not self.prunable.has(kin.structure.kept, kin.structure.dropped):
            return None
        return kin if self.judged_by(kin) else None

    def judged_by(self, kin: Kin) -> bool:
        """Whether these were the data then too."""
        return kin.variant.lineage["data_sha256"] == self.data_sha256

    @cached_property
    def data_sha256(self) -> str | None:
        return None if self.model.data is None else data_digest(self.model.data)

    def provenance(self) -> dict[str, object]:
        """What every variant's lineage starts with."""
        return {
            "model_digest": self.model.digest,
            "seed": self.seed,
            "data_sha256": self.data_sha256,
            "estimator": self.estimator,
            "versions": {package: _version(package) for package in (*_PACKAGES, *_CONVERTERS[self.lab.runtime])},
        }


def open_bench(
    spec: ModelSpec, artifact_dir: Path, seed: int | None, steps: Steps, runtime: Runtime = Runtime.ONNXRUNTIME
) -> Bench:
    """Load the model; without a `seed` it is the spec's. Raises what `load_model` raises."""
    steps.within(None, spec.ref)
    model, seed = load_model(spec), spec.seed if seed is None else seed
    torch.manual_seed(seed)
    sample = torch.randn((1, *model.sample_shape)) if model.example is None else torch.from_numpy(model.example)
    shelf = Shelf(artifact_dir, model.digest, runtime, known_as(artifact_dir, model.digest, model.formerly))

    def timing(done: float) -> None:
        steps.within(done if done < 1 else None, "timing kernels that are new to this host")

    return bench_of(model, shelf, Tables(host_folder() / "kernels", timing), seed, steps, sample)


def bench_of(model: LoadedModel, shelf: Shelf, tables: Tables, seed: int, steps: Steps, sample: torch.Tensor) -> Bench:
    """The bench of a model that is loaded; `sample` `[1, ...]` is traced and exported with."""
    prunable = Prunable(model.module, sample, torch.from_numpy(examples(model, _PROBE_SAMPLES, seed)), seed)
    calibration = None if model.data is None else model.data.train.inputs
    costing, lab = Costing(prunable, shelf, tables, steps), Lab(shelf, sample, calibration, seed, steps)
    return Bench(model, shelf, seed, steps, prunable, costing, lab)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source"
