"""The workbench of one job: the loaded model, what of it may be removed at what cost, and how artifacts are made."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from agent.wire.profile import RUNTIMES
from controller.core.costs import Costs
from controller.durable import put_file
from controller.pruning.artifact.export import export_onnx, run_artifact
from controller.pruning.artifact.int8 import quantise
from controller.pruning.artifact.measure import Measured, measure
from controller.pruning.artifact.ncnn import to_ncnn
from controller.pruning.artifact.parity import Precision
from controller.pruning.cost.grain import grains
from controller.pruning.cost.model import CostModel, describe_costs
from controller.pruning.cost.predict import Known, Predictor
from controller.pruning.cost.runs import Runs, run_widths
from controller.pruning.cost.tables import Tables
from controller.pruning.graph.blocks import find_blocks
from controller.pruning.graph.groups import find_groups
from controller.pruning.graph.probe import sound_groups
from controller.pruning.graph.structure import ChannelGroup, Structure, full
from controller.pruning.job import Progress
from controller.pruning.judge.jury import Judged, Jury
from controller.pruning.model.data import Floats, data_digest
from controller.pruning.model.load import LoadedModel, load_model
from controller.pruning.recover.distil import Teacher
from controller.pruning.shelf import Kin, Point, Shelf, known_as
from controller.pruning.spec import ModelSpec
from controller.pruning.tell import Countdown

_PROBE_SAMPLES = 8
_NARROW = 8
_SMALLEST_SHARE = 0.25
_PACKAGES = ("torch", "torch-pruning", "onnxruntime", "hedgerow")
_CONVERTERS: Mapping[str, tuple[str, ...]] = {"onnxruntime": (), "ncnn": ("ncnn", "pnnx")}


@dataclass(frozen=True, slots=True)
class Built:
    """An artifact with what its exact bytes were measured to cost."""

    artifact: bytes
    sha256: str
    measured: Measured


@dataclass(frozen=True)
class Bench:
    """What every step of a job needs. `groups` and `blocks` passed the soundness probe, and `groups` can be priced;
    `refused` says why others are kept dense."""

    model: LoadedModel
    shelf: Shelf
    tables: Tables
    seed: int
    progress: Progress
    sample: torch.Tensor

    @property
    def runtime(self) -> str:
        """What artifacts are made for, and measured with."""
        return self.shelf.runtime

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Residual blocks that may be dropped."""
        return find_blocks(self.model.module, self.probes)

    @cached_property
    def _grouping(self) -> tuple[Runs, Mapping[str, str]]:
        groups, refused = find_groups(self.model.module, self.sample)
        sound, unsound = sound_groups(self.model.module, self.probes, groups, self.seed, self.blocks)
        runs = run_widths(self.model.module, self.sample, sound, self.blocks)
        return runs, {**refused, **unsound, **runs.refused}

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        return self._grouping[0].groups

    @property
    def refused(self) -> Mapping[str, str]:
        return self._grouping[1]

    @property
    def told(self) -> str:
        blocks = f", {len(self.blocks)} droppable blocks" if self.blocks else ""
        return f"{len(self.groups)} prunable groups{blocks}, {len(self.refused)} kept dense"

    @cached_property
    def floors(self) -> dict[str, int]:
        """The narrowest that each group may become: eight units, or a quarter of fewer than sixteen."""
        return {
            group.root: _NARROW if group.channels >= 2 * _NARROW else max(1, round(group.channels * _SMALLEST_SHARE))
            for group in self.groups
        }

    @cached_property
    def probes(self) -> torch.Tensor:
        """A few inputs for the soundness probe."""
        return torch.from_numpy(self.inputs(_PROBE_SAMPLES))

    @cached_property
    def flops(self) -> int:
        """Of one inference of the dense model."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.model.module(self.sample)
        return max(int(counter.get_total_flops()), 1)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What variants may be made in: without data there is nothing to quantise by, and for ncnn nothing does."""
        return ("fp32",) if self.model.data is None or self.runtime != RUNTIMES[0] else ("fp32", "int8")

    @cached_property
    def teacher(self) -> Teacher:
        """The dense model's answers for the train and the select split."""
        assert self.model.data is not None
        return Teacher.of(self.model.module, self.model.data)

    @cached_property
    def _costs(self) -> dict[Precision, CostModel]:
        return {}

    def costs(self, precision: Precision) -> CostModel:
        """Prices of the model's structures; times the kernels that this host has not timed yet.

        They are onnxruntime's. What another runtime is measured to take corrects them, as it does for this one.
        """
        if precision not in self._costs:
            self.progress(0.09, f"pricing widths in {precision}")
            self._costs[precision] = describe_costs(self._grouping[0], precision, self.tables)
        return self._costs[precision]

    @cached_property
    def _grains(self) -> dict[Precision, Mapping[str, int]]:
        return {}

    def grains(self, precision: Precision) -> Mapping[str, int]:
        """The steps in which the runtime here is fast at each group's widths."""
        if precision not in self._grains:
            self._grains[precision] = grains(self.costs(precision), full(self.groups).widths)
        return self._grains[precision]

    def predictor(self, precision: Precision, without: Structure | None = None) -> Predictor:
        """From the kernel tables and every artifact that was measured, but for those of the structure `without`."""
        costs, points = self.costs(precision), self.points(precision)
        known = [each for each in points if without is None or not each.is_of(without)]
        prices = (costs.price(each.widths, each.dropped) for each in known)
        pairs = zip(prices, known, strict=True)
        return Predictor([Known(price, each.costs, each.only_bytes) for price, each in pairs], precision)

    def inputs(self, count: int) -> Floats:
        """`count` inputs: of the select and gate splits, and random ones where these are too few."""
        dice = np.random.default_rng(self.seed)
        random = dice.standard_normal((count, *self.model.sample_shape)).astype(np.float32)
        if self.model.data is None:
            return random
        real = np.concatenate([self.model.data.select.inputs, self.model.data.gate.inputs])[:count]
        return np.concatenate([real, random[len(real) :]])

    def points(self, precision: Precision) -> list[Point]:
        """What was measured of structures in these groups: another release may have grouped otherwise."""
        return [each for each in self.shelf.points(precision) if self._groups_as(each.widths, each.dropped)]

    def made_for(self, requested: str, precision: Precision) -> Kin | None:
        """The variant that an earlier job made for the same request, of these groups and by these data."""
        kin = self.shelf.made_for(requested, precision)
        if kin is None or not self._groups_as(kin.structure.kept, kin.structure.dropped):
            return None
        return kin if self.judged_by(kin) else None

    def _groups_as(self, roots: Collection[str], dropped: Collection[str]) -> bool:
        return set(roots) == {group.root for group in self.groups} and set(dropped) <= set(self.blocks)

    def note_point(self, structure: Structure, precision: Precision, costs: Costs, only_bytes: bool = False) -> None:
        """Keep what a structure was measured to cost, for the predictions of this job and of later ones."""
        self.shelf.add_point(Point(structure.widths, structure.dropped, precision, costs, only_bytes))

    def export(self, module: nn.Module, precision: Precision) -> bytes:
        """Raises `ExportError`."""
        return self.converted(export_onnx(module, self.sample), precision)

    def converted(self, plain: bytes, precision: Precision) -> bytes:
        """The fp32 artifact `plain` in `precision`, for the runtime here. Raises `ExportError`."""
        if self.runtime == "ncnn":
            return to_ncnn(plain)
        if precision == "fp32":
            return plain
        assert self.model.data is not None
        return quantise(plain, self.model.data.train.inputs)

    def build(self, module: nn.Module, precision: Precision, samples: int, repeats: int) -> Built:
        """Export `module` and measure the bytes, beside the precision's marks. Raises `ExportError`, `TrialError`."""
        return self.measured(self.export(module, precision), precision, samples, repeats)

    def measured(self, artifact: bytes, precision: Precision, samples: int, repeats: int) -> Built:
        """The same of an artifact that is there. Raises `TrialError`."""
        sha256, pace = hashlib.sha256(artifact).hexdigest(), self.shelf.pace(precision)

        def counted(number: int, most: int) -> None:
            of = f"{len(artifact) / 1024:.0f} KiB in {precision}"
            self.progress(0.0, f"timing an artifact of {of}, {number} of at most {most} times")

        with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
            path = Path(folder) / sha256
            put_file(artifact, path)
            measured = measure(path, sha256, self.seed, samples, repeats, pace, self.runtime, counted)
            return Built(artifact, sha256, measured)

    def judge(self, built: Built, dense: bool) -> Judged:
        """Ask the gate; no margin is asked of the `dense` model.

        Raises `ExportError` where the labels are of other classes than the outputs.
        """
        return self._jury.judge(lambda inputs: run_artifact(built.artifact, inputs, self.runtime), dense)

    @cached_property
    def _jury(self) -> Jury:
        return Jury(self.model)

    def provenance(self) -> dict[str, object]:
        """What every variant's lineage starts with."""
        return {
            "model_digest": self.model.digest,
            "seed": self.seed,
            "data_sha256": self.data_sha256,
            "versions": {package: _version(package) for package in (*_PACKAGES, *_CONVERTERS[self.runtime])},
        }

    def judged_by(self, kin: Kin) -> bool:
        """Whether these were the data then too."""
        return kin.variant.lineage["data_sha256"] == self.data_sha256

    @cached_property
    def data_sha256(self) -> str | None:
        return None if self.model.data is None else data_digest(self.model.data)


def open_bench(
    spec: ModelSpec, artifact_dir: Path, seed: int | None, progress: Progress, runtime: str = RUNTIMES[0]
) -> Bench:
    """Load the model; without a `seed` it is the spec's. Raises what `load_model` raises."""
    progress(0.02, f"loading {spec.ref}")
    model, seed = load_model(spec), spec.seed if seed is None else seed
    torch.manual_seed(seed)
    sample = torch.randn((1, *model.sample_shape)) if model.example is None else torch.from_numpy(model.example)
    shelf = Shelf(artifact_dir, model.digest, runtime, known_as(artifact_dir, model.digest, model.formerly))
    timing = Countdown(lambda _share, text: progress(0.0, text), "timing kernels that are new to this host")
    return Bench(model, shelf, Tables(tables_folder(), timing), seed, progress, sample)


def tables_folder() -> Path:
    """Kernel times are the host's, whatever model or controller asks."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "hedgerow" / "kernels"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source"
