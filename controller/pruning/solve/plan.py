"""From budgets to a structure: what the units of a stage are worth, against what they cost in one precision."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.pruning.cost.budgets import Budgets
from controller.pruning.cost.price import Price
from controller.pruning.graph.structure import Structure
from controller.pruning.solve.choose import Choice, Pricing, Space, choose
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.solve.importance import Importance, most_important


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

    importance: Importance = field(repr=False)
    worth: WorthCurves = field(repr=False)
    guide: WorthCurves | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans structures cut from that of a stage, whose weights are told in shares of the dense model's."""

    stage: Structure
    appraisal: Appraisal
    pricing: Pricing = field(repr=False)
    space: Space
    dense_weights_bytes: float

    def within(self, budgets: Budgets) -> Plan:
        """The structure of least loss that keeps the budgets by its exact price."""
        now, worth, ranks = self.stage, self.appraisal.worth, self.appraisal.importance
        guide = self.appraisal.guide or worth
        chosen = choose(Choice(now.widths, now.dropped), self.pricing, guide, budgets, self.space)
        gone = {root for block in chosen.dropped for root in self.space.inside[block]}
        kept = {
            root: units if root in gone else most_important(units, ranks[root], chosen.widths[root])
            for root, units in now.kept.items()
        }
        structure = Structure(kept, chosen.dropped)
        share = chosen.price.weights_bytes / self.dense_weights_bytes
        return Plan(structure, chosen.price, chosen.fits, self.loss(structure), share)

    def loss(self, structure: Structure) -> float:
        """What is expected to be lost by it, beyond what the stage has lost by dropping blocks."""
        worth = self.appraisal.worth
        gone = {root for block in structure.dropped for root in self.space.inside[block]}
        dropping = sum(worth.blocks[block] for block in structure.dropped if block not in self.stage.dropped)
        return dropping + sum(worth.loss(root, width) for root, width in structure.widths.items() if root not in gone)
