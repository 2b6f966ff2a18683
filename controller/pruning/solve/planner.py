"""From caps to a structure: what the stage's units are worth, against what they cost in one precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from controller.core.types import Caps
from controller.pruning.artifact.parity import Precision
from controller.pruning.bench import Bench
from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.price import Price
from controller.pruning.graph.structure import ChannelGroup, Structure, full, inside, renumbered
from controller.pruning.model.data import Data, Floats
from controller.pruning.model.outputs import answers
from controller.pruning.recover.distil import recover_briefly
from controller.pruning.solve.choose import Choice, Space, choose
from controller.pruning.solve.importance import Importance, magnitude, most_important, taylor
from controller.pruning.solve.worth import MeasuredWorth, best_importance, declared_worth, losing, measure_worth
from controller.pruning.stage import Stage, dense_stage
from controller.pruning.tell import Countdown

_WORTH_FLOPS = 2e10  # of the inputs that each candidate loss is measured on: as many as this buys, within bounds
_LEAST_INPUTS, _MOST_INPUTS = 128, 512
_RANKS_SHARE = 0.5  # of these inputs for two rankings of one group, which are asked for the same cuts
_BRIEF_FLOPS = 5e9  # of a brief recovery, per sample of its batches
_MOST_STEPS, _STEPS_IN_ALL = 26, 1500  # of one brief recovery, of those of all cuts
_CUTS = 4  # of a group, about


@dataclass(frozen=True, slots=True)
class Plan:
    """A structure with its price by the tables. Where it does not fit, nothing smaller is left to choose."""

    structure: Structure
    price: Price
    fits: bool
    loss: float
    weights_share: float


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What a stage's units and blocks are worth. Structures are chosen by `guide`, or without one by `worth` itself."""

    importance: Importance
    worth: MeasuredWorth
    guide: MeasuredWorth | None = None


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
    rankings = [magnitude(stage.module, groups)]
    if data.train.labels is not None:
        rankings.append(taylor(stage.module, groups, data.train, bench.seed))
    inputs = _some(bench, data.train.inputs, _RANKS_SHARE)
    return best_importance(
        stage.structure,
        rankings,
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
    by, dense, steps = bench.data_sha256, dense_stage(bench), _brief_steps(bench)
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

    inputs = _some(bench, data.train.inputs)
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


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans structures cut from `stage`."""

    bench: Bench
    stage: Stage
    appraisal: Appraisal
    precision: Precision

    def plan(self, caps: Caps) -> Plan:
        """The structure of least loss whose costs, as predicted from all that was measured, are inside `caps`."""
        return self.within(self.bench.predictor(self.precision).budgets(caps))

    def within(self, budgets: Budgets) -> Plan:
        """The same under budgets in the tables' own terms."""
        bench, structure, worth = self.bench, self.stage.structure, self.appraisal.worth
        costs = bench.costs(self.precision)
        space = Space(bench.grains(self.precision), bench.floors, inside(bench.groups, bench.blocks))
        guide = self.appraisal.guide or worth
        chosen = choose(Choice(structure.widths, structure.dropped), costs, guide, budgets, space)
        gone = {root for block in chosen.dropped for root in space.inside[block]}
        kept = {
            root: units if root in gone else most_important(units, self.appraisal.importance[root], chosen.widths[root])
            for root, units in structure.kept.items()
        }
        share = chosen.price.weights_bytes / costs.price(full(bench.groups).widths).weights_bytes
        dropping = sum(worth.blocks[block] for block in chosen.dropped if block not in structure.dropped)
        loss = dropping + sum(worth.loss(root, width) for root, width in chosen.widths.items() if root not in gone)
        return Plan(Structure(kept, chosen.dropped), chosen.price, chosen.fits, loss, share)


def _left(bench: Bench, stage: Stage) -> tuple[ChannelGroup, ...]:
    """The groups as the stage numbers them, without those that a dropped block took along."""
    return tuple(group for group in renumbered(bench.groups, stage.structure) if group.touches)


def _some(bench: Bench, inputs: Floats, share: float = 1.0) -> Floats:
    """As many inputs as their work allows, or a `share` of these: the same ones every time, and well mixed.

    In their own order neighbours are alike, and a batch of them has statistics that no other has.
    """
    count = int(np.clip(share * _WORTH_FLOPS / bench.flops, _LEAST_INPUTS, share * _MOST_INPUTS))
    return inputs[np.random.default_rng(bench.seed).permutation(len(inputs))[:count]]


def _brief_steps(bench: Bench) -> int:
    """As many training steps as their work and the number of cuts allow: none for a network that is slow to train."""
    cuts = _CUTS * len(bench.groups) + len(bench.blocks)
    return int(min(_BRIEF_FLOPS / bench.flops, _STEPS_IN_ALL / max(cuts, 1), _MOST_STEPS))
