"""The job that reports on unstructured sparsity; nothing of it is shipped."""

from __future__ import annotations

from controller.core.types import JobState
from controller.pruning.artifact import sparse
from controller.pruning.bench import Bench
from controller.pruning.job import JobResult


def report_unstructured(bench: Bench, share: float) -> JobResult:
    """Dense beside `share` of the weights at zero, both measured. Raises `ExportError`, `TrialError`."""
    bench.progress(0.1, f"measuring the dense model beside {share:.0%} zeros")
    data = bench.model.data
    report = sparse.report_unstructured(
        bench.model.module, bench.sample, share, None if data is None else data.gate, bench.seed
    )
    return JobResult(state=JobState.DONE, report=report, detail=report.conclusion, model_digest=bench.model.digest)
