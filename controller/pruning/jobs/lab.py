"""The lab: makes artifacts for one runtime, and measures what their exact bytes cost."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from agent.wire.profile import Runtime
from controller.core.nouns.variant import Precision
from controller.durable import put_file
from controller.pruning.artifact.export import export_onnx
from controller.pruning.artifact.int8 import quantise
from controller.pruning.artifact.measure import Measured, measure_together
from controller.pruning.artifact.ncnn import to_ncnn
from controller.pruning.artifact.pace import Pace
from controller.pruning.model.data import Floats
from controller.pruning.shelf import Shelf
from controller.pruning.steps import Steps


@dataclass(frozen=True, slots=True)
class Built:
    """An artifact with what its exact bytes were measured to cost."""

    artifact: bytes
    sha256: str
    measured: Measured


@dataclass(frozen=True)
class Lab:
    """Artifacts take the `sample`, `[1, ...]`; INT8 is set up by what the `calibration` inputs are, none without data.
    Times are told against what the `shelf` has of the dense model."""

    shelf: Shelf
    sample: torch.Tensor
    calibration: Floats | None
    seed: int
    steps: Steps

    @property
    def runtime(self) -> Runtime:
        """What artifacts are made for, and measured with."""
        return self.shelf.runtime

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What variants may be made in: without data there is nothing to quantise by, and for ncnn nothing does."""
        quantised = self.calibration is not None and self.runtime is Runtime.ONNXRUNTIME
        return (Precision.FP32, Precision.INT8) if quantised else (Precision.FP32,)

    def export(self, module: nn.Module, precision: Precision) -> bytes:
        """Raises `ExportError`."""
        return self.converted(export_onnx(module, self.sample), precision)

    def converted(self, plain: bytes, precision: Precision) -> bytes:
        """The fp32 artifact `plain` in `precision`, for the runtime here. Raises `ExportError`."""
        if self.runtime is Runtime.NCNN:
            return to_ncnn(plain)
        if precision is Precision.FP32:
            return plain
        assert self.calibration is not None
        return quantise(plain, self.calibration)

    def build(self, module: nn.Module, precision: Precision, samples: int, repeats: int) -> Built:
        """Export `module` and measure the bytes, beside the precision's marks. Raises `ExportError`, `TrialError`."""
        return self.measured(self.export(module, precision), precision, samples, repeats)

    def measured(self, artifact: bytes, precision: Precision, samples: int, repeats: int) -> Built:
        """The same of an artifact that is there. Raises `TrialError`."""
        (built,) = self._timed([artifact], samples, repeats, self.shelf.pace(precision), f" in {precision}")
        return built

    def together(self, artifacts: Sequence[bytes], samples: int, repeats: int) -> list[Built]:
        """Artifacts measured in the same processes, told against nothing. Raises `TrialError`."""
        return self._timed(artifacts, samples, repeats, None, "")

    def _timed(
        self, artifacts: Sequence[bytes], samples: int, repeats: int, pace: Pace | None, how: str
    ) -> list[Built]:
        what = " and ".join(f"{len(each) / 1024:.0f} KiB" for each in artifacts)

        def counted(number: int, most: int) -> None:
            self.steps.within(None, f"timing an artifact of {what}{how}, {number} of at most {most} times")

        with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
            named = [(Path(folder) / sha256, sha256) for sha256 in map(_sha256, artifacts)]
            for (path, _), artifact in zip(named, artifacts, strict=True):
                put_file(artifact, path)
            found = measure_together(named, self.seed, samples, repeats, pace, self.runtime, counted)
        return [Built(*each) for each in zip(artifacts, map(_sha256, artifacts), found, strict=True)]


def _sha256(artifact: bytes) -> str:
    return hashlib.sha256(artifact).hexdigest()
