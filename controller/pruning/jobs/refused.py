"""Why a prune has no answer: what the smallest structure takes, and what was tried and may not ship."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

from controller.core.caps import closest, held, shippable, use
from controller.core.costs import Costs, binding
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import JobState
from controller.core.nouns.variant import Precision, Variant
from controller.pruning.cost.model import START
from controller.pruning.job import JobResult
from controller.pruning.jobs.bench import Bench
from controller.pruning.jobs.smallest import smallest_costs
from controller.pruning.shelf import Kin
from controller.pruning.solve.search import Found, TooTight
from controller.pruning.tell import against, told

_TOLD_KINDS = 3
_KINDS = {
    START: "the start of a run", "conv": "convolutions", "gemm": "linear layers", "matmul": "products of matrices",
    "unary": "activations", "binary": "sums and products of layers",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refused:
    """What was tried does not ship, inside the caps or not."""

    detail: str
    binding: Constraint


@dataclass(frozen=True)
class Smallest:
    """The smallest structure of the model against `caps`, measured in a precision when it is asked for."""

    bench: Bench
    dense: Kin
    caps: Caps

    @cached_property
    def _costs(self) -> dict[Precision, Costs | None]:
        return {}

    def costs(self, precision: Precision) -> Costs | None:
        if precision not in self._costs:
            self._costs[precision] = smallest_costs(self.bench, self.dense, precision)
        return self._costs[precision]

    @cached_property
    def precisions(self) -> tuple[Precision, ...]:
        """In which of them some structure may be inside. Another one than fp32 is only made where that is too large."""
        every = self.bench.lab.precisions
        if self.refusal(Precision.FP32) is None:
            return every
        return tuple(each for each in every if self.refusal(each) is None)

    @property
    def refused(self) -> bool:
        return not self.precisions

    def refusal(self, precision: Precision) -> Refused | None:
        """None where the smallest structure is inside the caps themselves: it was measured thoroughly."""
        costs, ref = self.costs(precision), self.bench.model.spec.ref
        if costs is None:
            return Refused(f"{ref} cannot be made in {precision}", Constraint.NONE)
        which, share = binding(costs, self.caps)
        if share <= 1:
            return None
        detail = f"the smallest structure of {ref} in {precision} exceeds the caps: {against(costs, self.caps)}"
        return Refused(detail + (self._spent_on(precision) if which is Constraint.DEADLINE else ""), which)

    def _spent_on(self, precision: Precision) -> str:
        """What its time goes into; in fp32 alone, whose kernels are timed before a model is pruned."""
        if precision is not Precision.FP32:
            return ""
        least = self.bench.prunable.smallest
        spent = self.bench.costing.pricing(precision).spent(least.widths, least.dropped)
        total = sum(spent.values())
        most = sorted(spent.items(), key=lambda each: -each[1])[:_TOLD_KINDS]
        shares = ", ".join(f"{seconds / total:.0%} {_KINDS.get(kind, kind)}" for kind, seconds in most)
        return f" (by kernel times {shares})"

    def inside(self, found: Found | TooTight, measured: Costs) -> bool:
        """Below the caps by what measurements differ; what leaves no smaller choice by nothing."""
        least = self.bench.prunable.smallest
        is_least = (found.structure.widths, found.structure.dropped) == (least.widths, least.dropped)
        last = is_least or isinstance(found, TooTight)
        return binding(measured, self.caps if last else held(self.caps))[1] <= 1

    @property
    def least(self) -> Caps | None:
        """The least that any precision takes; None where not all of them were measured."""
        known = [self.costs(each) for each in self.bench.lab.precisions if each in self._costs]
        if len(known) < len(self.bench.lab.precisions):
            return None
        found = [each.as_caps(self.caps.runtime) for each in known if each is not None]
        return reduce(Caps.meet, found)


def infeasible(smallest: Smallest, refusals: list[Refused], start_from: tuple[str, ...]) -> JobResult:
    """With the closest of what is on the shelf."""
    bench = smallest.bench
    tried = refusals or [each for each in map(smallest.refusal, bench.lab.precisions) if each is not None]
    return JobResult(
        state=JobState.INFEASIBLE,
        variant=closest(smallest.caps, on_the_shelf(bench, start_from)),
        binding=next((each.binding for each in tried if each.binding is not Constraint.NONE), Constraint.NONE),
        least=smallest.least,
        detail=told([each.detail for each in tried]),
        model_digest=bench.model.digest,
    )


def on_the_shelf(bench: Bench, start_from: tuple[str, ...]) -> list[Variant]:
    """Of the named variants, those at or above the floor."""
    return shippable([kin.variant for kin in bench.shelf.kin(start_from)], bench.model.spec.accuracy_floor)


def fitting(bench: Bench, start_from: tuple[str, ...], caps: Caps) -> list[Variant]:
    """Of these the ones that were measured inside the caps."""
    return [each for each in on_the_shelf(bench, start_from) if use(caps, each) <= 1]
