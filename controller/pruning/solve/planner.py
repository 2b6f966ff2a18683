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
from controller.pruning.graph.structure import Structure, full, inside, renumbered
from controller.pruning.model.data import Data, Floats
from controller.pruning.model.outputs import answers
from controller.pruning.recover.distil import recover_briefly
from controller.pruning.solve.choose import Choice, Space, choose
from controller.pruning.solve.importance import Importance, magnitude, most_important, taylor
from controller.pruning.solve.worth import MeasuredWorth, best_importance, declared_worth, losing, measure_worth
from controller.pruning.stage import Stage, dense_stage

_WORTH_FLOPS = 4e10  # of the inputs that each candidate loss is measured on: as many as this buys, within bounds
_LEAST_INPUTS, _MOST_INPUTS = 128, 1024
_BRIEF_FLOPS = 5e9  # of a brief recovery, per sample of its batches
_MOST_STEPS, _STEPS_IN_ALL = 60, 1500  # of one brief recovery, of those of all cuts
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
    """What a stage's units and blocks are worth."""

    importance: Importance
    worth: MeasuredWorth


def appraise(bench: Bench, stage: Stage) -> Appraisal:
    """Rank the stage's units; what narrowing and dropping lose is the dense model's, wherever the stage stands.

    Measured from the stage, what was narrowed before and has recovered would seem to have cost nothing, and be narrowed
    again and again. Without data magnitude is all there is.
    """
    data, groups = bench.model.data, renumbered(bench.groups, stage.structure)
    groups = tuple(group for group in groups if group.touches)
    rankings = [magnitude(stage.module, groups)]
    if data is None:
        return Appraisal(rankings[0], declared_worth(magnitude(bench.model.module, bench.groups)))
    if data.train.labels is not None:
        rankings.append(taylor(stage.module, groups, data.train, bench.seed))
    inputs = _some(bench, data.train.inputs)
    halves = {root: (width + 1) // 2 for root, width in stage.structure.widths.items()}
    best = best_importance(
        stage.structure,
        rankings,
        halves,
        losing(lambda wanted: stage.cut(bench, wanted), stage.module, inputs, answers(bench.model.module, inputs)),
        lambda share: bench.progress(0.1 + 0.02 * share, "ranking units"),
    )
    return Appraisal(best, dense_worth(bench, data, inputs))


def dense_worth(bench: Bench, data: Data, inputs: Floats) -> MeasuredWorth:
    """From the shelf, or measured and put there: each cut of the dense model is recovered briefly before it is judged.

    What a cut loses at once says more of how layers are scaled than of what they can do: the last layer's channels look
    dearest and recover best. NetAdapt (Yang et al., ECCV 2018) fine-tunes each of its proposals for the same reason.
    """
    by = bench.data_sha256
    assert by is not None
    known, wanted = bench.shelf.worth(bench.seed, by), ({group.root for group in bench.groups}, set(bench.blocks))
    if known is not None and (set(known.curves), set(known.blocks)) == wanted:
        return known
    dense, steps = dense_stage(bench), _brief_steps(bench)

    def recovered(wanted: Structure) -> nn.Module:
        return recover_briefly(dense.cut(bench, wanted), data, bench.teacher, steps, bench.seed)

    worth = measure_worth(
        dense.structure,
        magnitude(dense.module, bench.groups),
        bench.blocks,
        bench.floors,
        losing(recovered, recovered(dense.structure), inputs, answers(dense.module, inputs)),
        lambda share: bench.progress(0.12 + 0.02 * share, "measuring what each group is worth, once a model"),
    )
    bench.shelf.put_worth(bench.seed, by, worth)
    return worth


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
        chosen = choose(Choice(structure.widths, structure.dropped), costs, worth, budgets, space)
        gone = {root for block in chosen.dropped for root in space.inside[block]}
        kept = {
            root: units if root in gone else most_important(units, self.appraisal.importance[root], chosen.widths[root])
            for root, units in structure.kept.items()
        }
        share = chosen.price.weights_bytes / costs.price(full(bench.groups).widths).weights_bytes
        return Plan(Structure(kept, chosen.dropped), chosen.price, chosen.fits, chosen.loss, share)


def _some(bench: Bench, inputs: Floats) -> Floats:
    """As many inputs as their work allows, the same ones every time."""
    count = int(np.clip(_WORTH_FLOPS / bench.flops, _LEAST_INPUTS, _MOST_INPUTS))
    chosen = np.random.default_rng(bench.seed).permutation(len(inputs))[:count]
    return inputs[np.sort(chosen)]


def _brief_steps(bench: Bench) -> int:
    """As many training steps as their work and the number of cuts allow: none for a network that is slow to train."""
    cuts = _CUTS * len(bench.groups) + len(bench.blocks)
    return int(min(_BRIEF_FLOPS / bench.flops, _STEPS_IN_ALL / max(cuts, 1), _MOST_STEPS))
