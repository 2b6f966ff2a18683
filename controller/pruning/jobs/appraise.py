"""What a stage's units and blocks are worth, from the shelf where an earlier job found it out."""

from __future__ import annotations

from controller.pruning.estimate.estimator import Estimate, sampled
from controller.pruning.estimate.estimators import ESTIMATORS
from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.graph.structure import ChannelGroup, renumbered
from controller.pruning.jobs.ahead import estimated_by, estimating
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.prunable import Prunable
from controller.pruning.jobs.stage import Stage, dense_stage
from controller.pruning.model.data import Data
from controller.pruning.solve.curves import WorthCurves, magnitude_worth
from controller.pruning.solve.importance import Importance
from controller.pruning.solve.plan import Appraisal
from controller.pruning.steps import Step


def appraise(bench: Bench, stage: Stage) -> Appraisal:
    """Rank the stage's units; what narrowing and dropping lose is the dense model's, wherever the stage stands.

    Told of the stage, what was narrowed before and has recovered would seem to have cost nothing, and be narrowed again
    and again. Without data magnitude is all there is.
    """
    data = bench.model.data
    if data is None:
        ranks = magnitude(stage.module, _left(bench.prunable, stage))
        return Appraisal(ranks, magnitude_worth(magnitude(bench.model.module, bench.prunable.groups)))
    curves = dense_worth(bench, data)
    return Appraisal(stage_ranks(bench, stage, data), curves, curves.leaning())


def dense_worth(bench: Bench, data: Data) -> WorthCurves:
    """From the shelf, or estimated and put there with how the dense model's units rank."""
    by, dense = estimated_by(bench), dense_stage(bench.prunable)
    known = bench.shelf.curves(by)
    if known is not None and known.covers(dense.structure.kept, bench.prunable.blocks):
        return known
    found = _estimated(bench, dense, data, bench.prunable.blocks)
    bench.shelf.put_ranks(by, dense.digest, found.importance)
    bench.shelf.put_curves(by, found.curves)
    return found.curves


def stage_ranks(bench: Bench, stage: Stage, data: Data) -> Importance:
    """From the shelf, or estimated and put there."""
    by, of = estimated_by(bench), stage.digest
    units, known = {each.root: each.channels for each in _left(bench.prunable, stage)}, bench.shelf.ranks(by, of)
    if {root: len(each) for root, each in known.items()} == units:
        return known
    ranks = _estimated(bench, stage, data, ()).importance
    bench.shelf.put_ranks(by, of, ranks)
    return ranks


def _estimated(bench: Bench, stage: Stage, data: Data, blocks: tuple[str, ...]) -> Estimate:
    inputs = sampled(data.train.inputs, bench.prunable.flops, bench.seed)
    bench.steps.enter(Step.ESTIMATING, estimating(bench))
    estimate = ESTIMATORS[bench.estimator]
    return estimate(stage.module, _left(bench.prunable, stage), blocks, inputs, bench.seed, bench.steps.within)


def _left(prunable: Prunable, stage: Stage) -> tuple[ChannelGroup, ...]:
    """The groups as the stage numbers them, without those that a dropped block took along."""
    return tuple(group for group in renumbered(prunable.groups, stage.structure) if group.touches)
