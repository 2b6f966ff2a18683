"""The model as its owner gave it: checked, exported, measured. The top of every ladder."""

from __future__ import annotations

from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision
from controller.pruning.job import JobResult
from controller.pruning.jobs.ahead import judging, measuring_ends, prune_ahead
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.marks import known_marks, measure_ends, put_ends
from controller.pruning.jobs.variant import Origin, make_variant
from controller.pruning.shelf import Kin
from controller.pruning.steps import Step


def make_dense(bench: Bench) -> JobResult:
    """The dense fp32 variant, its artifact on the shelf. Raises `StructureError`, `ExportError`, `TrialError`."""
    bench.steps.enter(Step.DENSE, measuring_ends(bench), bench.prunable.told)
    ends = measure_ends(bench)
    built = ends[Precision.FP32][0]
    bench.steps.enter(Step.PRICING)
    bench.costing.pricing(Precision.FP32)
    bench.steps.enter(Step.JUDGING, judging(bench))
    origin = Origin(bench.model.module, bench.prunable.whole, Precision.FP32, requested="")
    variant, verdict = make_variant(bench, origin, built)
    bench.shelf.put(built.artifact, variant, bench.prunable.whole, bench.model.module)
    put_ends(bench, ends, variant)
    return JobResult(
        state=JobState.DONE,
        variant=variant,
        detail=_first_prune(bench) if verdict.passed else f"the dense model itself: {verdict.reason}",
        model_digest=bench.model.digest,
    )


def _first_prune(bench: Bench) -> str:
    """How long an owner is going to wait for it."""
    return f"a first prune is expected to take about {bench.steps.seconds(prune_ahead(bench)):.0f} s on this host"


def dense_kin(bench: Bench) -> Kin:
    """The dense variant from the shelf with the marks of fp32, put there first where they are missing.

    One that other data judged is made anew: all that is pruned is compared with it.
    """
    kin = bench.shelf.dense()
    if kin is None or not bench.judged_by(kin):
        make_dense(bench)
        kin = bench.shelf.dense()
    assert kin is not None
    known_marks(bench, kin, Precision.FP32)
    return kin
