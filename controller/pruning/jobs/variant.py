"""The record of an artifact: what it costs, how right it is, and where it comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import cast

from torch import nn

from controller.core.nouns.variant import Precision, Variant
from controller.core.paired import ONE_SIDED
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.artifact.parity import Parity, check_parity
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.ahead import measuring
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.costing import Costing
from controller.pruning.jobs.lab import Built
from controller.pruning.jobs.looks import Look
from controller.pruning.jobs.stage import Trained
from controller.pruning.judge.gate import Verdict
from controller.pruning.model.examples import examples
from controller.pruning.steps import Step

PARITY_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class Origin:
    """What a variant was made from and for: a structure's `module`, `trained` since it was cut from `parent`.

    `onward` are the weights that a ladder's next rung is cut from.
    """

    module: nn.Module
    structure: Structure
    precision: Precision
    requested: str
    parent: str | None = None
    trained: Trained = field(default_factory=Trained)
    onward: nn.Module | None = None


def measured(bench: Bench, origin: Origin) -> Built:
    """Its artifact, measured as what ships is, with the costs noted. Raises `ExportError`, `TrialError`."""
    bench.steps.enter(Step.SHIPPING, measuring(bench))
    built = bench.lab.build(origin.module, origin.precision, *THOROUGH)
    bench.costing.note(origin.structure, origin.precision, built.measured.costs)
    return built


def make_variant(bench: Bench, origin: Origin, built: Built, look: Look | None = None) -> tuple[Variant, Verdict]:
    """Judge `built`, which came of `origin`, and write it down. Raises `ExportError` where their answers differ.

    `look` where the request may look at the gate more than once.
    """
    inputs = examples(bench.model, PARITY_SAMPLES, bench.seed)
    parity = check_parity(origin.module, built.artifact, inputs, origin.precision, bench.lab.runtime)
    as_given = origin.structure == bench.prunable.whole and not origin.trained.epochs
    dense = as_given and origin.precision is Precision.FP32
    judged = bench.judge(built, dense, ONE_SIDED if look is None else look.error)
    accuracy, paired = judged.accuracy, judged.paired
    parameters = sum(parameter.numel() for parameter in origin.module.parameters())
    variant = Variant(
        sha256=built.sha256,
        model=bench.model.spec.ref,
        size_bytes=len(built.artifact),
        precision=origin.precision,
        ram_bytes=built.measured.ram_bytes,
        ram_base_bytes=built.measured.ram_base_bytes,
        latency_p50_s=built.measured.latency_p50_s,
        latency_p95_s=built.measured.latency_p95_s,
        parameters=parameters,
        accuracy=None if accuracy is None else accuracy.share,
        accuracy_low=None if accuracy is None else accuracy.low,
        accuracy_high=None if accuracy is None else accuracy.high,
        drop=None if paired is None else paired.drop,
        drop_low=None if paired is None else paired.drop_low,
        drop_high=None if paired is None else paired.drop_high,
        gate_samples=None if accuracy is None else accuracy.samples,
        evidence=judged.evidence,
        dense=dense,
        requested=origin.requested,
        runtime=bench.lab.runtime,
        golden_seed=bench.seed,
        golden_outputs=built.measured.golden_outputs,
        golden_tolerance=parity.golden_tolerance,
        lineage=_lineage(bench, origin, parity, parameters, judged.verdict) | _looked(look),
        created_unix_s=time.time(),
    )
    return variant, judged.verdict


def _looked(look: Look | None) -> dict[str, object]:
    return {} if look is None else {"gate_looks": look.number, "gate_error": look.error}


def training_of(variant: Variant) -> Trained:
    """What its lineage says that its recovery took."""
    lineage = variant.lineage
    return Trained(cast(float, lineage["recovery_epochs"]), cast(float, lineage["recovery_cpu_s"]))


def _predicted(costing: Costing, origin: Origin) -> dict[str, float]:
    """What the kernel tables and the other measured artifacts say of this one, to hold against its own measurement."""
    structure = origin.structure
    price = costing.pricing(origin.precision).price(structure.widths, structure.dropped)
    costs = costing.predictor(origin.precision, without=structure).costs(price)
    return {
        "ram_bytes": round(costs.ram_bytes),
        "storage_bytes": round(costs.storage_bytes),
        "latency_p95_s": costs.latency_s,
    }


def _lineage(bench: Bench, origin: Origin, parity: Parity, parameters: int, verdict: Verdict) -> dict[str, object]:
    whole = bench.prunable.whole
    widths = {root: f"{len(units)} of {len(whole.kept[root])}" for root, units in origin.structure.kept.items()}
    return {
        **bench.provenance(),
        "parent": origin.parent,
        "widths": widths,
        "dropped_blocks": list(origin.structure.dropped),
        "parameters_share": parameters / sum(parameter.numel() for parameter in bench.model.module.parameters()),
        "kept_dense": dict(bench.prunable.refused),
        "recovery_epochs": round(origin.trained.epochs, 3),
        "recovery_cpu_s": round(origin.trained.cpu_s, 2),
        "parity_max_error": parity.worst,
        "parity_top1_agreement": parity.agreement,
        "parity_samples": parity.samples,
        "verdict": verdict.reason,
        "predicted": _predicted(bench.costing, origin),
        "seconds": {str(step): round(seconds, 1) for step, seconds in bench.steps.took.items()},
        "latency_source": "thread CPU time, by turns with the precision's marks where it had any",
    }
