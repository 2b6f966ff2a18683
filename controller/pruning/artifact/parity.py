"""How closely an artifact answers as the model that it was made from, and whether that is close enough to ship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import nn

from agent.wire.profile import RUNTIMES
from controller.pruning.artifact.export import ExportError, run_artifact
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import answers

Precision = Literal["fp32", "int8"]
_TOLERANCE = 1e-3  # absolute plus relative; fp32 in another order of sums stays below 1e-4
# What int8 costs is for the accuracy gate to judge; these catch a quantisation that broke. Healthy ones were measured
# at 0.02 to 0.04 and 99 %, or a few points less where many classes lie close together.
_INT8_NOISE = 0.1  # 20 dB between the answers and what quantisation adds to them
_INT8_AGREEMENT = 0.95
# Kernels that round differently redraw a small part of the quantisation noise; wrong ones exceed the whole.
_GOLDEN_NOISE = 2.0


@dataclass(frozen=True, slots=True)
class Parity:
    """`worst` and `typical` (root mean square) are of |got - expected| / (1 + |expected|) over all outputs.

    `noise` is the error's root mean square over the standard deviation of the answers; `agreement` the share of equal
    top-1 answers, None where the output `[n, classes]` is not one of a classifier.
    """

    worst: float
    typical: float
    noise: float
    agreement: float | None
    samples: int

    @property
    def golden_tolerance(self) -> float:
        """What a device's golden outputs may differ by: twice the typical error, so that it follows the precision."""
        return max(_TOLERANCE, _GOLDEN_NOISE * self.typical)


def check_parity(
    model: nn.Module, artifact: bytes, inputs: Floats, precision: Precision = "fp32", runtime: str = RUNTIMES[0]
) -> Parity:
    """Compare `artifact` with the fp32 `model` on `inputs` `[n, ...]`.

    Raises `ExportError`: for fp32 above the tolerance or where a top-1 answer changes that is not a tie within it; for
    int8 where the noise is too high or too few top-1 answers agree.
    """
    expected, got = answers(model, inputs), run_artifact(artifact, inputs, runtime)
    if expected.shape != got.shape:
        raise ExportError(f"the artifact's output is {list(got.shape[1:])}, the model's {list(expected.shape[1:])}")
    parity = compare(expected, got)
    if precision == "int8":
        _check_int8(parity)
    else:
        _check_fp32(parity, expected, got)
    return parity


def compare(expected: Floats, got: Floats) -> Parity:
    """The figures alone, of outputs of one shape `[n, ...]`."""
    error = np.abs(got.astype(np.float64) - expected)
    relative = error / (1 + np.abs(expected))
    classes = expected.ndim == 2 and expected.shape[1] > 1
    return Parity(
        worst=float(relative.max()),
        typical=_rms(relative),
        noise=_rms(error) / max(float(expected.std(dtype=np.float64)), float(np.finfo(np.float32).tiny)),
        agreement=float((expected.argmax(axis=1) == got.argmax(axis=1)).mean()) if classes else None,
        samples=len(expected),
    )


def _rms(values: np.typing.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _check_int8(parity: Parity) -> None:
    if not parity.noise <= _INT8_NOISE:
        raise ExportError(f"int8 changes the answers by {parity.noise:.1%} of their spread, allowed {_INT8_NOISE:.0%}")
    if parity.agreement is not None and parity.agreement < _INT8_AGREEMENT:
        raise ExportError(
            f"only {parity.agreement:.1%} of {parity.samples} top-1 answers are the same in int8, "
            f"{_INT8_AGREEMENT:.0%} are needed"
        )


def _check_fp32(parity: Parity, expected: Floats, got: Floats) -> None:
    if not parity.worst <= _TOLERANCE:
        raise ExportError(f"the artifact's answers differ from the model's by {parity.worst:.2g}, "
                          f"allowed {_TOLERANCE:g}")  # fmt: skip
    if parity.agreement is None:
        return
    ordered = np.sort(expected, axis=1)
    decided = ordered[:, -1] - ordered[:, -2] > _TOLERANCE * (1 + np.abs(ordered[:, -1]))
    changed = int((decided & (expected.argmax(axis=1) != got.argmax(axis=1))).sum())
    if changed:
        raise ExportError(f"{changed} of {len(expected)} top-1 answers changed in the export")
