"""The model as its owner gave it: checked, exported, measured. The top of every ladder."""

from __future__ import annotations

from controller.core.types import JobState
from controller.pruning.bench import Bench
from controller.pruning.graph.structure import full
from controller.pruning.job import JobResult
from controller.pruning.solve.search import know_narrowest
from controller.pruning.variant import make_variant

_SAMPLES, _REPEATS = 200, 3


def make_dense(bench: Bench) -> JobResult:
    """The dense fp32 variant, its artifact on the shelf. Raises `StructureError`, `ExportError`, `MeasureError`."""
    bench.progress(0.1, f"{len(bench.groups)} prunable groups, {len(bench.refused)} kept dense")
    bench.progress(0.2, "exporting and measuring")
    built = bench.build(bench.model.module, _SAMPLES, _REPEATS)
    whole = full(bench.groups)
    bench.note_point(whole, built.measured.costs)
    bench.progress(0.6, "measuring the narrowest structure")
    know_narrowest(bench)
    bench.progress(0.8, "checking answers")
    variant = make_variant(bench, bench.model.module, built, whole, requested="", parent=None, recovery=None)
    bench.shelf.put(built.artifact, variant, whole, bench.model.module)
    floor, accuracy = bench.model.spec.accuracy_floor, variant.accuracy
    low = floor is not None and accuracy is not None and accuracy < floor
    return JobResult(
        state=JobState.DONE,
        variant=variant,
        detail=f"the dense model's own accuracy {accuracy:.1%} is below the floor {floor:.1%}" if low else "",
        ram_base_bytes=built.measured.ram_base_bytes,
        model_digest=bench.model.digest,
    )
