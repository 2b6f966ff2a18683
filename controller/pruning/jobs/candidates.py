"""Structures that may be cut from a stage in one precision: planned under caps, and made to see what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.core.costs import Costs
from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Precision
from controller.pruning.artifact.measure import QUICK
from controller.pruning.graph.structure import Structure, inside
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.costing import Costing
from controller.pruning.jobs.lab import Lab
from controller.pruning.jobs.stage import Stage
from controller.pruning.solve.choose import Space
from controller.pruning.solve.plan import Appraisal, Plan, Planner
from controller.pruning.solve.search import Found, TooTight, only_bytes, search


@dataclass(frozen=True)
class Candidates:
    """Of `stage`, as `planner` plans them."""

    costing: Costing
    lab: Lab
    stage: Stage
    planner: Planner
    precision: Precision

    def plan(self, caps: Caps) -> Plan:
        """The structure of least loss whose costs, as predicted from all that was measured, are inside `caps`."""
        return self.planner.within(self.costing.predictor(self.precision).budgets(caps))

    def searched(self, caps: Caps, planned: Callable[[Plan], None] = lambda _plan: None) -> Found | TooTight:
        """The structure to recover: the one that uses the caps best, as measured. `planned` hears of each before it is
        measured."""

        def told(_number: int, plan: Plan) -> None:
            planned(plan)
            self.costing.steps.within(None, f"measuring a candidate of {plan.weights_share:.0%} of the weights")

        return search(self.plan, lambda plan: self._costs(plan, only_bytes(caps)), self.stage.structure, caps, told)

    def _costs(self, plan: Plan, only_bytes: bool) -> Costs:
        """As measured last, now or by an earlier job: so that the same request finds the same structure again.

        What ships is measured after its candidate; where it was above a cap, the candidate must not be found once more.
        """
        for point in reversed(self.costing.points(self.precision)):
            if point.is_of(plan.structure) and (only_bytes or not point.only_bytes):
                return point.costs
        costs = self._weighed(plan) if only_bytes else self._measured(plan.structure)
        self.costing.note(plan.structure, self.precision, costs, only_bytes)
        return costs

    def _weighed(self, plan: Plan) -> Costs:
        """Its bytes, which need no run; the rest is predicted."""
        artifact = self.lab.export(self.stage.cut(self.costing.prunable, plan.structure), self.precision)
        predicted = self.costing.predictor(self.precision).costs(plan.price)
        return replace(predicted, storage_bytes=len(artifact))

    def _measured(self, structure: Structure) -> Costs:
        built = self.lab.build(self.stage.cut(self.costing.prunable, structure), self.precision, *QUICK)
        return built.measured.costs


def candidates(bench: Bench, stage: Stage, appraisal: Appraisal, precision: Precision) -> Candidates:
    """By the tables' prices in this precision, and what the appraisal says that units and blocks are worth."""
    prunable, pricing = bench.prunable, bench.costing.pricing(precision)
    space = Space(bench.costing.grains(precision), prunable.floors, inside(prunable.groups, prunable.blocks))
    dense = pricing.price(prunable.whole.widths)
    planner = Planner(stage.structure, appraisal, pricing, space, dense.weights_bytes)
    return Candidates(bench.costing, bench.lab, stage, planner, precision)
