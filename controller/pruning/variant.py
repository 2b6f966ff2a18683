"""The record of an artifact: what it costs, how right it is, and where it comes from."""

from __future__ import annotations

import time

from torch import nn

from controller.core.types import Variant
from controller.pruning.bench import PARITY_SAMPLES, Bench, Built
from controller.pruning.graph.structure import Structure, full
from controller.pruning.recover.distil import Recovered


def make_variant(
    bench: Bench,
    module: nn.Module,
    built: Built,
    structure: Structure,
    requested: str,
    parent: str | None,
    recovery: Recovered | None,
) -> Variant:
    """Judge `built`, which was exported from `module`, and write it down. Raises `ExportError` where they differ."""
    parity, accuracy = bench.judge(module, built)
    whole = full(bench.groups)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    lineage = {
        **bench.provenance(),
        "parent": parent,
        "widths": {root: f"{width} of {whole.widths[root]}" for root, width in structure.widths.items()},
        "dropped": list(structure.dropped),
        "parameters_share": parameters / sum(parameter.numel() for parameter in bench.model.module.parameters()),
        "kept_dense": dict(bench.refused),
        "recovery_epochs": 0 if recovery is None else recovery.epochs,
        "recovery_cpu_s": 0.0 if recovery is None else round(recovery.cpu_s, 2),
        "parity_max_error": parity,
        "parity_samples": PARITY_SAMPLES,
        "latency_source": "thread CPU time",
    }
    return Variant(
        sha256=built.sha256,
        model=bench.model.spec.ref,
        size_bytes=len(built.artifact),
        precision="fp32",
        ram_bytes=built.measured.ram_bytes,
        latency_p50_s=built.measured.latency_p50_s,
        latency_p95_s=built.measured.latency_p95_s,
        parameters=parameters,
        accuracy=None if accuracy is None else accuracy.share,
        accuracy_low=None if accuracy is None else accuracy.low,
        accuracy_high=None if accuracy is None else accuracy.high,
        dense=structure == whole and recovery is None,
        requested=requested,
        golden_seed=bench.seed,
        golden_outputs=built.measured.golden_outputs,
        lineage=lineage,
        created_unix_s=time.time(),
    )
