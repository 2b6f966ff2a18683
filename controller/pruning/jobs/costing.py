"""What structures of a model cost: told from kernel times, and from every artifact of it that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from controller.core.costs import Costs
from controller.core.nouns.variant import Precision
from controller.pruning.cost.grain import grains
from controller.pruning.cost.model import CostModel, describe_costs
from controller.pruning.cost.predict import Known, Predictor
from controller.pruning.cost.tables import Tables
from controller.pruning.graph.structure import Structure
from controller.pruning.jobs.prunable import Prunable
from controller.pruning.shelf import Point, Shelf
from controller.pruning.steps import Steps


@dataclass(frozen=True)
class Costing:
    """Of what is `prunable`, by the host's `tables` and the measurements on the `shelf`."""

    prunable: Prunable
    shelf: Shelf
    tables: Tables
    steps: Steps

    @cached_property
    def _pricings(self) -> dict[Precision, CostModel]:
        return {}

    def pricing(self, precision: Precision) -> CostModel:
        """Prices of the model's structures; times the kernels that this host has not timed yet.

        They are onnxruntime's. What another runtime is measured to take corrects them, as it does for this one.
        """
        if precision not in self._pricings:
            self.steps.within(None, f"pricing widths in {precision}")
            self._pricings[precision] = describe_costs(self.prunable.runs, precision, self.tables)
        return self._pricings[precision]

    @cached_property
    def _grains(self) -> dict[Precision, Mapping[str, int]]:
        return {}

    def grains(self, precision: Precision) -> Mapping[str, int]:
        """The steps in which the runtime here is fast at each group's widths."""
        if precision not in self._grains:
            self._grains[precision] = grains(self.pricing(precision), self.prunable.whole.widths)
        return self._grains[precision]

    def predictor(self, precision: Precision, without: Structure | None = None) -> Predictor:
        """From the kernel tables and every artifact that was measured, but for those of the structure `without`."""
        pricing, points = self.pricing(precision), self.points(precision)
        known = [each for each in points if without is None or not each.is_of(without)]
        prices = (pricing.price(each.widths, each.dropped) for each in known)
        pairs = zip(prices, known, strict=True)
        return Predictor([Known(price, each.costs, each.only_bytes) for price, each in pairs], precision)

    def points(self, precision: Precision) -> list[Point]:
        """What was measured of structures in these groups."""
        return [each for each in self.shelf.points(precision) if self.prunable.has(each.widths, each.dropped)]

    def note(self, structure: Structure, precision: Precision, costs: Costs, only_bytes: bool = False) -> None:
        """Keep what a structure was measured to cost, for the predictions of this job and of later ones."""
        self.shelf.add_point(Point(structure.widths, structure.dropped, precision, costs, only_bytes))
