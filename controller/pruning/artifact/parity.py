"""How closely an artifact answers as the model that it was made from, and whether that is close enough to ship."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from agent.wire.profile import Runtime
from controller.core.nouns.variant import Precision
from controller.pruning.artifact.export import run_outputs
from controller.pruning.errors import ExportError
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import answers_alone, output_name

Output = NDArray[Any]
_TOLERANCE = 1e-3  # absolute plus relative; fp32 in another order of sums stays below 1e-4
# What int8 costs is for the accuracy gate to judge; these catch a quantisation that broke. Healthy ones were measured
# at 0.02 to 0.04 and 99 %, or a few points less where many classes lie close together.
_INT8_NOISE = 0.1  # 20 dB between the answers and what quantisation adds to them
_INT8_AGREEMENT = 0.95
# Kernels that round differently redraw a small part of the quantisation noise; wrong ones exceed the whole.
_GOLDEN_NOISE = 2.0


@dataclass(frozen=True, slots=True)
class Parity:
    """`worst` and `typical` (root mean square) are of |got - expected| / (1 + |expected|).

    `noise` is the error's root mean square over the standard deviation of the answers; `agreement` the share of equal
    top-1 answers, None where the output `[n, classes]` is not one of a classifier. Of several outputs `worst` and
    `noise` are the largest; the rest is the first one's, which is the answer and alone is golden.
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
    model: nn.Module,
    artifact: bytes,
    inputs: Floats,
    precision: Precision = Precision.FP32,
    runtime: Runtime = Runtime.ONNXRUNTIME,
) -> Parity:
    """Compare every output of `artifact` with the fp32 `model`'s on `inputs` `[n, ...]`.

    Raises `ExportError`: for fp32 above the tolerance or where a top-1 answer changes that is not a tie within it; for
    int8 where the noise is too high or too few top-1 answers agree.
    """
    expected, got = answers_alone(model, inputs), run_outputs(artifact, inputs, runtime)
    if len(expected) != len(got):
        raise ExportError(f"the artifact has {len(got)} outputs, the model {len(expected)}")
    pairs = enumerate(zip(expected, got, strict=True))
    parities = [_compared(output_name(number), want, have, precision) for number, (want, have) in pairs]
    if _of_classes(expected[0]) and precision is Precision.INT8:
        _check_agreement(parities[0])
    elif _of_classes(expected[0]):
        _check_decided(expected[0], got[0])
    worst, noise = max(each.worst for each in parities), max(each.noise for each in parities)
    return replace(parities[0], worst=worst, noise=noise)


def _compared(name: str, expected: Output, got: Output, precision: Precision) -> Parity:
    """The figures of one output whose error is small enough."""
    if expected.shape != got.shape:
        raise ExportError(f"the artifact's {name} is {list(got.shape[1:])}, the model's {list(expected.shape[1:])}")
    if got.dtype.kind != "f":
        return _counted(name, expected, got, precision)
    parity = compare(expected, got)
    if precision is Precision.FP32 and not parity.worst <= _TOLERANCE:
        raise ExportError(f"the artifact's {name} differs from the model's by {parity.worst:.2g}, "
                          f"allowed {_TOLERANCE:g}")  # fmt: skip
    if precision is Precision.INT8 and not parity.noise <= _INT8_NOISE:
        raise ExportError(f"int8 changes the {name} by {parity.noise:.1%} of its spread, allowed {_INT8_NOISE:.0%}")
    return parity


def _counted(name: str, expected: Output, got: Output, precision: Precision) -> Parity:
    """Of numbers of classes or places, which a tie may change: how far they are apart says nothing."""
    share = float((expected == got).mean())
    least = _INT8_AGREEMENT if precision is Precision.INT8 else 1 - _TOLERANCE
    if share < least:
        raise ExportError(f"only {share:.1%} of the {name} is the same in the artifact, {least:.1%} are needed")
    return replace(compare(expected, got), worst=0.0, noise=0.0, agreement=share)


def compare(expected: Output, got: Output) -> Parity:
    """The figures alone, of outputs of one shape `[n, ...]`."""
    error = np.abs(got.astype(np.float64) - expected)
    relative = error / (1 + np.abs(expected))
    same = expected.argmax(axis=1) == got.argmax(axis=1) if _of_classes(expected) else None
    return Parity(
        worst=float(relative.max()),
        typical=_rms(relative),
        noise=_rms(error) / max(float(expected.std(dtype=np.float64)), float(np.finfo(np.float32).tiny)),
        agreement=None if same is None else float(same.mean()),
        samples=len(expected),
    )


def _of_classes(expected: Output) -> bool:
    return expected.dtype.kind == "f" and expected.ndim == 2 and expected.shape[1] > 1


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _check_agreement(parity: Parity) -> None:
    assert parity.agreement is not None
    if parity.agreement < _INT8_AGREEMENT:
        raise ExportError(
            f"only {parity.agreement:.1%} of {parity.samples} top-1 answers are the same in int8, "
            f"{_INT8_AGREEMENT:.0%} are needed"
        )


def _check_decided(expected: Output, got: Output) -> None:
    ordered = np.sort(expected, axis=1)
    decided = ordered[:, -1] - ordered[:, -2] > _TOLERANCE * (1 + np.abs(ordered[:, -1]))
    changed = int((decided & (expected.argmax(axis=1) != got.argmax(axis=1))).sum())
    if changed:
        raise ExportError(f"{changed} of {len(expected)} top-1 answers changed in the export")
