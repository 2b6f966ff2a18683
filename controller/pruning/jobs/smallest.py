"""The smallest structure of a model, and what it takes: caps below that are told from it before anything is trained."""

from __future__ import annotations

from controller.core.costs import Costs
from controller.core.nouns.variant import Precision
from controller.pruning.artifact.measure import THOROUGH
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.marks import known_marks
from controller.pruning.jobs.stage import dense_stage
from controller.pruning.shelf import Kin


def smallest_costs(bench: Bench, dense: Kin, precision: Precision) -> Costs | None:
    """As they were measured, now or by an earlier job; None where this precision cannot be made.

    Raises `ExportError` in fp32, `TrialError`.
    """
    if not known_marks(bench, dense, precision):
        return None
    structure = bench.prunable.smallest
    known = [each for each in bench.costing.points(precision) if each.is_of(structure) and not each.only_bytes]
    if known:
        return known[-1].costs
    built = bench.lab.build(dense_stage(bench.prunable).cut(bench.prunable, structure), precision, *THOROUGH)
    bench.costing.note(structure, precision, built.measured.costs)
    return built.measured.costs
