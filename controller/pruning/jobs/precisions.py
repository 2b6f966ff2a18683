"""In which precision a prune is tried first."""

from __future__ import annotations

import numpy as np

from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Precision
from controller.pruning.artifact.export import run_artifact
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.candidates import Candidates, candidates
from controller.pruning.jobs.marks import known_marks
from controller.pruning.jobs.stage import Stage
from controller.pruning.recover.loss import apart
from controller.pruning.shelf import Kin
from controller.pruning.solve.plan import Appraisal
from controller.pruning.steps import Step


def in_order(
    bench: Bench, dense: Kin, stage: Stage, appraisal: Appraisal, caps: Caps, precisions: tuple[Precision, ...]
) -> list[Candidates]:
    """Candidates in each of the `precisions`: those that are predicted to fit with the least loss first; the rest in
    case that is wrong.

    What a precision itself loses is asked only where it would come first by what is cut: that takes an artifact of it.
    """
    bench.steps.enter(Step.PRICING)
    offered = [candidates(bench, stage, appraisal, each) for each in precisions]
    plans = {each.precision: each.plan(caps) for each in offered}

    def cut(each: Candidates) -> tuple[bool, float]:
        return not plans[each.precision].fits, plans[each.precision].loss

    def whole(each: Candidates) -> tuple[bool, float]:
        return cut(each)[0], cut(each)[1] + rounding_loss(bench, dense, each.precision)

    by_cut = sorted(offered, key=cut)
    return by_cut if by_cut[0].precision is Precision.FP32 else sorted(offered, key=whole)


def rounding_loss(bench: Bench, dense: Kin, precision: Precision) -> float:
    """What the precision itself loses: the quantised dense model's distance from the dense model; infinite where it
    cannot be quantised.
    """
    data = bench.model.data
    if precision is Precision.FP32 or data is None:
        return 0.0
    marks = known_marks(bench, dense, precision)
    if not marks:
        return np.inf
    inputs = data.select.inputs[:256]
    got = run_artifact(bench.shelf.artifact(marks[0].sha256).read_bytes(), inputs)
    return apart(got, bench.teacher.select[: len(got)])
