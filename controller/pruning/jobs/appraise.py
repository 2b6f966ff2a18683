"""What a stage's units and blocks are worth, from the shelf where an earlier job found it out."""

from __future__ import annotations

from torch import nn

from controller.pruning.bench import Bench
from controller.pruning.estimate.effort import brief_steps, some
from controller.pruning.estimate.losing import losing
from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.estimate.measured import measure_worth
from controller.pruning.estimate.rankings import best_importance, rankings
from controller.pruning.graph.structure import ChannelGroup, Structure, renumbered
from controller.pruning.model.data import Data
from controller.pruning.model.outputs import answers
from controller.pruning.recover.distil import recover_briefly
from controller.pruning.solve.curves import MeasuredWorth, declared_worth
from controller.pruning.solve.importance import Importance
from controller.pruning.solve.plan import Appraisal
from controller.pruning.stage import Stage, dense_stage
from controller.pruning.tell import Countdown

_RANKS_SHARE = 0.5  # of the inputs that worth is measured on, for two rankings of one group: both are of the same cuts


def appraise(bench: Bench, stage: Stage) -> Appraisal:
    """Rank the stage's units; what narrowing and dropping lose is the dense model's, wherever the stage stands.

    Measured from the stage, what was narrowed before and has recovered would seem to have cost nothing, and be narrowed
    again and again. Without data magnitude is all there is.
    """
    data = bench.model.data
    if data is None:
        ranks = magnitude(stage.module, _left(bench, stage))
        return Appraisal(ranks, declared_worth(magnitude(bench.model.module, bench.groups)))
    worth = dense_worth(bench, data)
    return Appraisal(stage_ranks(bench, stage, data), worth, worth.leaning())


def stage_ranks(bench: Bench, stage: Stage, data: Data) -> Importance:
    """From the shelf, or found out and put there, a group at a time."""
    by, of, groups = bench.data_sha256, stage.digest, _left(bench, stage)
    assert by is not None
    units = {group.root: group.channels for group in groups}
    known = {root: each for root, each in bench.shelf.ranks(bench.seed, by, of).items() if units.get(root) == len(each)}
    if known.keys() == units.keys():
        return known
    bench.progress(0.1, "ranking units")
    ranked = rankings(stage.module, groups, data, bench.seed)
    inputs = some(data.train.inputs, bench.flops, bench.seed, _RANKS_SHARE)
    return best_importance(
        stage.structure,
        ranked,
        {root: (width + 1) // 2 for root, width in stage.structure.widths.items()},
        losing(lambda wanted: stage.cut(bench, wanted), stage.module, inputs, answers(bench.model.module, inputs)),
        Countdown(lambda share, text: bench.progress(0.1 + 0.02 * share, text), "ranking units"),
        known,
        lambda ranks: bench.shelf.put_ranks(bench.seed, by, of, ranks),
    )


def dense_worth(bench: Bench, data: Data) -> MeasuredWorth:
    """From the shelf, or measured and put there: each cut of the dense model is recovered briefly before it is judged.

    What a cut loses at once says more of how layers are scaled than of what they can do: the last layer's channels look
    dearest and recover best. NetAdapt (Yang et al., ECCV 2018) fine-tunes each of its proposals for the same reason.
    """
    by, dense = bench.data_sha256, dense_stage(bench)
    steps = brief_steps(bench.flops, len(bench.groups), len(bench.blocks))
    assert by is not None
    known, roots = bench.shelf.worth(bench.seed, by), dense.structure.kept
    if known is not None and known.covers(roots, bench.blocks):
        return known
    if known is None or not known.begins(roots, bench.blocks, steps):
        known = MeasuredWorth({}, {}, steps)
    task = "measuring what each group is worth, once a model"
    bench.progress(0.12, task)

    def recovered(wanted: Structure) -> nn.Module:
        return recover_briefly(dense.cut(bench, wanted), data, bench.teacher, steps, bench.seed)

    inputs = some(data.train.inputs, bench.flops, bench.seed)
    return measure_worth(
        dense.structure,
        magnitude(dense.module, bench.groups),
        bench.blocks,
        bench.floors,
        losing(recovered, recovered(dense.structure), inputs, answers(dense.module, inputs)),
        Countdown(lambda share, text: bench.progress(0.12 + 0.08 * share, text), task),
        known,
        lambda worth: bench.shelf.put_worth(bench.seed, by, worth),
    )


def _left(bench: Bench, stage: Stage) -> tuple[ChannelGroup, ...]:
    """The groups as the stage numbers them, without those that a dropped block took along."""
    return tuple(group for group in renumbered(bench.groups, stage.structure) if group.touches)
