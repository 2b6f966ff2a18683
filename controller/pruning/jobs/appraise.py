"""What a stage's units and blocks are worth, from the shelf where an earlier job found it out."""

from __future__ import annotations

from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.estimate.worth import Estimate, estimate, some
from controller.pruning.graph.structure import ChannelGroup, renumbered
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.stage import Stage, dense_stage
from controller.pruning.model.data import Data
from controller.pruning.solve.curves import WorthCurves, declared_worth
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
        ranks = magnitude(stage.module, _left(bench, stage))
        return Appraisal(ranks, declared_worth(magnitude(bench.model.module, bench.prunable.groups)))
    curves = dense_worth(bench, data)
    return Appraisal(stage_ranks(bench, stage, data), curves, curves.leaning())


def dense_worth(bench: Bench, data: Data) -> WorthCurves:
    """From the shelf, or estimated and put there with how the dense model's units rank."""
    by, dense = bench.data_sha256, dense_stage(bench.prunable)
    assert by is not None
    known = bench.shelf.curves(bench.seed, by)
    if known is not None and known.covers(dense.structure.kept, bench.prunable.blocks):
        return known
    found = _estimated(bench, dense, data, bench.prunable.blocks)
    bench.shelf.put_ranks(bench.seed, by, dense.digest, found.importance)
    bench.shelf.put_curves(bench.seed, by, found.curves)
    return found.curves


def stage_ranks(bench: Bench, stage: Stage, data: Data) -> Importance:
    """From the shelf, or estimated and put there."""
    by, of = bench.data_sha256, stage.digest
    assert by is not None
    units, known = {each.root: each.channels for each in _left(bench, stage)}, bench.shelf.ranks(bench.seed, by, of)
    if {root: len(each) for root, each in known.items()} == units:
        return known
    ranks = _estimated(bench, stage, data, ()).importance
    bench.shelf.put_ranks(bench.seed, by, of, ranks)
    return ranks


def _estimated(bench: Bench, stage: Stage, data: Data, blocks: tuple[str, ...]) -> Estimate:
    inputs = some(data.train.inputs, bench.prunable.flops, bench.seed)
    bench.steps.enter(Step.ESTIMATING, bench.pass_s * len(inputs))
    return estimate(stage.module, _left(bench, stage), blocks, inputs, bench.seed, bench.steps.within)


def _left(bench: Bench, stage: Stage) -> tuple[ChannelGroup, ...]:
    """The groups as the stage numbers them, without those that a dropped block took along."""
    return tuple(group for group in renumbered(bench.prunable.groups, stage.structure) if group.touches)
