"""From caps to a structure: what the stage's units are worth, against what they cost in one precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from controller.core.types import Caps
from controller.pruning.artifact.parity import Precision
from controller.pruning.bench import Bench
from controller.pruning.cost.budgets import Budgets, Price
from controller.pruning.graph.structure import Structure, inside, renumbered
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import answers
from controller.pruning.solve.choose import Choice, Space, choose
from controller.pruning.solve.importance import Importance, magnitude, most_important, taylor
from controller.pruning.solve.worth import MeasuredWorth, declared_worth, losing, measure_worth
from controller.pruning.stage import Stage

_WORTH_FLOPS = 4e10  # of the inputs that each candidate loss is measured on: as many as this buys, within bounds
_LEAST_INPUTS, _MOST_INPUTS = 128, 1024


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
    """Rank the stage's units and measure what narrowing and dropping lose. Without data the ranks are all there is."""
    data, groups = bench.model.data, renumbered(bench.groups, stage.structure)
    groups = tuple(group for group in groups if group.touches)
    rankings = [magnitude(stage.module, groups)]
    if data is None:
        return Appraisal(rankings[0], declared_worth(rankings[0]))
    if data.train.labels is not None:
        rankings.append(taylor(stage.module, groups, data.train, bench.seed))
    blocks = [block for block in bench.blocks if block not in stage.structure.dropped]
    inputs = _some(bench, data.train.inputs)
    best, worth = measure_worth(
        stage.structure,
        rankings,
        blocks,
        bench.floors,
        losing(lambda wanted: stage.cut(bench, wanted), stage.module, inputs, answers(bench.model.module, inputs)),
        lambda share: bench.progress(0.1 + 0.04 * share, "measuring what each group is worth"),
    )
    return Appraisal(best, worth)


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
        loss = sum(worth.blocks[block] for block in chosen.dropped if block not in structure.dropped)
        loss += sum(worth.loss(root, width) for root, width in chosen.widths.items() if root not in gone)
        whole = costs.price({group.root: group.channels for group in bench.groups})
        share = chosen.price.weights_bytes / whole.weights_bytes
        return Plan(Structure(kept, chosen.dropped), chosen.price, chosen.fits, loss, share)


def _some(bench: Bench, inputs: Floats) -> Floats:
    """As many inputs as their work allows, the same ones every time."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        bench.model.module(bench.sample)
    count = int(np.clip(_WORTH_FLOPS / max(counter.get_total_flops(), 1), _LEAST_INPUTS, _MOST_INPUTS))
    chosen = np.random.default_rng(bench.seed).permutation(len(inputs))[:count]
    return inputs[np.sort(chosen)]
