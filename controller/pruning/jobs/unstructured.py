"""The job that reports on unstructured sparsity, by measurement: what single weights at zero buy and what not.

Dense runtimes multiply zeros as fast as anything else and store them as wide. What zeros make smaller is the
compressed artifact, and with it a transfer. Nothing of it is shipped.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import torch
from torch import nn

from controller.core.nouns.job import JobState
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.durable import put_file
from controller.pruning.artifact.export import export_onnx, run_artifact
from controller.pruning.artifact.measure import Measured, measure_together
from controller.pruning.artifact.sparse import sparsify, transfer_bytes, zeros_share
from controller.pruning.job import JobResult
from controller.pruning.jobs.ahead import measuring
from controller.pruning.jobs.bench import Bench
from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Split
from controller.pruning.steps import Step

_SAMPLES, _REPEATS = 200, 3
_COMPRESSION = "the smaller of zlib level 9 and lzma"


def report_unstructured(bench: Bench, share: float) -> JobResult:
    """Dense beside `share` of the weights at zero, both measured. Raises `ExportError`, `TrialError`."""
    bench.steps.enter(Step.DENSE, 2 * measuring(bench), f"beside {share:.0%} zeros")
    data = bench.model.data
    gate = None if data is None else data.gate
    report = dense_beside_sparse(bench.model.module, bench.prunable.sample, share, gate, bench.seed)
    return JobResult(state=JobState.DONE, report=report, detail=report.conclusion, model_digest=bench.model.digest)


def dense_beside_sparse(
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
        before, after = measure_together([(each, _sha256(each)) for each in paths], seed, samples, repeats)
        return SparsityReport(
            share=share,
            dense=_side(model, paths[0].read_bytes(), before, gate),
            sparse=_side(sparse, paths[1].read_bytes(), after, gate),
            compression=_COMPRESSION,
        )


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
