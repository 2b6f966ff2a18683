"""The marks of a precision: its dense and its smallest artifact. Between them all others' times are told.

They are the ends of the predictions too. The smallest one's weights are of no use, so any units will do.
"""

from __future__ import annotations

from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.artifact.parity import Precision
from controller.pruning.errors import ExportError, lacked_memory
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.ahead import measuring
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.stage import dense_stage
from controller.pruning.shelf import Kin, Marked, Marks
from controller.pruning.steps import Step


def known_marks(bench: Bench, dense: Kin, precision: Precision) -> tuple[Marked, ...]:
    """The dense end and, where it is another, the smallest; none where the precision cannot be made.

    They are measured where no job of this model has. Raises `ExportError` in fp32, `TrialError`.
    """
    known = bench.shelf.marks(precision, dense)
    if known is not None:
        return known.marks
    bench.steps.enter(Step.SMALLEST, measuring(bench), f"in {precision}")
    widest, least = bench.prunable.whole, bench.prunable.smallest
    ends = (widest,) if least == widest else (widest, least)
    try:
        marks = tuple(_mark(bench, dense, end, precision) for end in ends)
    except ExportError as error:
        if precision == "fp32" or lacked_memory(error):  # what is put down here holds for good
            raise
        marks = ()
    bench.shelf.put_marks(precision, Marks(dense.variant.sha256, marks))
    return marks


def _mark(bench: Bench, dense: Kin, end: Structure, precision: Precision) -> Marked:
    if precision == "fp32" and end == bench.prunable.whole:
        return Marked(dense.variant.sha256, 1.0)
    built = bench.lab.measured(_artifact(bench, dense, end, precision), precision, *THOROUGH)
    bench.costing.note(end, precision, built.measured.costs)
    bench.shelf.put_mark(built.artifact, built.sha256)
    return Marked(built.sha256, built.measured.latency_p50_s / dense.variant.latency_p50_s)


def _artifact(bench: Bench, dense: Kin, end: Structure, precision: Precision) -> bytes:
    """Exported, or made of the same end in fp32, which is known first: that takes a fraction of an export."""
    plain = bench.shelf.marks("fp32", dense)
    if precision == "fp32" or plain is None:
        return bench.lab.export(dense_stage(bench.prunable).cut(bench.prunable, end), precision)
    same = plain.marks[0 if end == bench.prunable.whole else -1]
    return bench.lab.converted(bench.shelf.artifact(same.sha256).read_bytes(), precision)
