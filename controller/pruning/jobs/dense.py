"""The model as its owner gave it: checked, exported, measured. The top of every ladder."""

from __future__ import annotations

from controller.core.types import JobState
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.job import JobResult
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.marks import READY, known_marks
from controller.pruning.jobs.variant import Origin, make_variant
from controller.pruning.shelf import Kin


def make_dense(bench: Bench, end: float = 1.0) -> JobResult:
    """The dense fp32 variant, its artifact on the shelf. Raises `StructureError`, `ExportError`, `TrialError`.

    `end` is the share of the whole job that is done by then.
    """
    bench.progress(end * 0.1, bench.prunable.told)
    bench.progress(end * 0.2, "exporting and measuring the dense model")
    structure = bench.prunable.whole
    built = bench.lab.build(bench.model.module, "fp32", *THOROUGH)
    bench.costing.note(structure, "fp32", built.measured.costs)
    bench.progress(end * 0.8, "checking answers")
    origin = Origin(bench.model.module, structure, "fp32", requested="")
    variant, verdict = make_variant(bench, origin, built)
    bench.shelf.put(built.artifact, variant, structure, bench.model.module)
    return JobResult(
        state=JobState.DONE,
        variant=variant,
        detail="" if verdict.passed else f"the dense model itself: {verdict.reason}",
        model_digest=bench.model.digest,
    )


def dense_kin(bench: Bench) -> Kin:
    """The dense variant from the shelf with the marks of fp32, put there first where they are missing.

    One that other data judged is made anew: all that is pruned is compared with it.
    """
    kin = bench.shelf.dense()
    if kin is None or not bench.judged_by(kin):
        make_dense(bench, READY)
        kin = bench.shelf.dense()
    assert kin is not None
    known_marks(bench, kin, "fp32")
    return kin
