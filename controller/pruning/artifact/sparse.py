"""Unstructured sparsity, honestly: what single weights at zero buy and what not, by measurement.

Dense runtimes multiply zeros as fast as anything else and store them as wide. What zeros make smaller is the
compressed artifact, and with it a transfer.
"""

from __future__ import annotations

import copy
import hashlib
import lzma
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from controller.core.sparsity import SparseSide, SparsityReport
from controller.durable import put_file
from controller.pruning.artifact.export import export_onnx, run_artifact
from controller.pruning.artifact.measure import Measured, measure
from controller.pruning.artifact.pace import Mark, Pace
from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Split

_SAMPLES, _REPEATS = 200, 3
_COMPRESSION = "the smaller of zlib level 9 and lzma"


def report_unstructured(
    model: nn.Module,
    sample: torch.Tensor,
    share: float,
    gate: Split | None,
    seed: int = 0,
    samples: int = _SAMPLES,
    repeats: int = _REPEATS,
) -> SparsityReport:
    """Measure `model` as it is beside `sparsify(model, share)`, not retrained; `sample` is a batch of 1.

    The sparse artifact is timed beside the dense one, so that a busier minute of the host is not taken for a
    difference. Accuracy is on the labels of `gate`, where there are any. Raises `ValueError`, `ExportError`,
    `TrialError`.
    """
    sparse = sparsify(model, share)
    with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
        paths = [Path(folder) / f"{name}.onnx" for name in ("dense", "sparse")]
        for each, path in zip((model, sparse), paths, strict=True):
            put_file(export_onnx(each, sample), path)
        before = measure(paths[0], _sha256(paths[0]), seed, samples, repeats)
        pace = Pace((Mark(paths[0], before.latency_p50_s),), before.latency_p95_s / before.latency_p50_s)
        after = measure(paths[1], _sha256(paths[1]), seed, samples, repeats, pace)
        return SparsityReport(
            share=share,
            dense=_side(model, paths[0].read_bytes(), before, gate),
            sparse=_side(sparse, paths[1].read_bytes(), after, gate),
            compression=_COMPRESSION,
        )


def sparsify(model: nn.Module, share: float) -> nn.Module:
    """A copy of `model` with the `share` of its weights that are nearest to 0, over all layers, at 0.

    Weights are the parameters of two axes or more: biases and norms are few and each matters. Raises `ValueError`
    where `share` is not between 0 and 1 or there are no weights.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share:g} zeros: from 0 to 1 is allowed")
    sparse = copy.deepcopy(model)
    weights = list(_weights(sparse))
    if not weights:
        raise ValueError("the model has no weights to set to zero")
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    zeros = torch.zeros_like(sizes, dtype=torch.bool)
    zeros[sizes.argsort(stable=True)[: round(share * len(sizes))]] = True
    with torch.no_grad():
        parts = torch.split(zeros, [weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight.masked_fill_(part.view(weight.shape), 0.0)  # by position, whatever the memory format
    return sparse


def zeros_share(model: nn.Module) -> float:
    """The share of weights, as `sparsify` counts them, that are 0."""
    weights = list(_weights(model))
    return sum(int((weight == 0).sum()) for weight in weights) / max(1, sum(weight.numel() for weight in weights))


def transfer_bytes(artifact: bytes) -> int:
    """How many bytes of `artifact` cross the network, compressed with what every Python has."""
    return min(len(zlib.compress(artifact, 9)), len(lzma.compress(artifact, preset=9)))


def _weights(model: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for parameter in model.parameters() if parameter.ndim > 1)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _side(model: nn.Module, artifact: bytes, measured: Measured, gate: Split | None) -> SparseSide:
    labels = None if gate is None else gate.labels
    accuracy = None if gate is None or labels is None else classify(run_artifact(artifact, gate.inputs), labels)
    return SparseSide(
        zeros_share=zeros_share(model),
        size_bytes=len(artifact),
        transfer_bytes=transfer_bytes(artifact),
        latency_p50_s=measured.latency_p50_s,
        latency_p95_s=measured.latency_p95_s,
        ram_bytes=measured.ram_bytes,
        accuracy=None if accuracy is None else accuracy.share,
        accuracy_low=None if accuracy is None else accuracy.low,
        accuracy_high=None if accuracy is None else accuracy.high,
    )
