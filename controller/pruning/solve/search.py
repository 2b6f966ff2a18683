"""Finding the structure of least loss that *measures* inside the caps: solve, build, measure, correct, repeat.

The loop is NetAdapt's (Yang et al., ECCV 2018), with predictions that every measurement corrects in between, so that
few artifacts have to be built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.core.costs import Costs, binding
from controller.core.types import Caps, Constraint
from controller.pruning.artifact.measure import QUICK
from controller.pruning.artifact.parity import Precision
from controller.pruning.graph.structure import Structure
from controller.pruning.solve.planner import Plan, Planner

_GOOD_USE = 0.93
_TARGETS = (0.985, 0.98, 0.975, 0.96, 0.94, 0.9, 0.85, 0.0)  # the last is for the smallest there is
_ENOUGH_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The structure to recover, its measured costs, and the cap that it uses most with the share of it."""

    structure: Structure
    precision: Precision
    costs: Costs
    binding: Constraint
    use: float


@dataclass(frozen=True, slots=True)
class TooTight:
    """Not even the smallest structure lies inside the caps. `least`: below any of it, none measures."""

    smallest: Structure
    costs: Costs
    binding: Constraint
    least: Caps


def search(planner: Planner, caps: Caps) -> Found | TooTight:
    """The best-used structure found under `caps`, cut from the planner's stage (not recovered yet)."""
    bench, stage = planner.bench, planner.stage
    best: Found | None = None
    tried = dict[tuple[object, ...], tuple[Structure, Costs]]()
    for number, target in enumerate(_TARGETS):
        if best is not None and (best.use >= _GOOD_USE or number >= _ENOUGH_ROUNDS):
            break
        plan = planner.plan(_scaled(caps, target))
        key = (plan.structure.dropped, *plan.structure.widths.values())
        if key in tried:
            continue
        bench.progress(0.2 + 0.025 * number, f"measuring a candidate of {plan.weights_share:.0%} of the weights")
        costs = _costs(planner, plan, caps)
        tried[key] = plan.structure, costs
        which, use = binding(costs, caps)
        if use <= 1 and (best is None or use > best.use):
            best = Found(plan.structure, planner.precision, costs, which, use)
        if use > 1 and not plan.fits:  # nothing smaller is left
            break
        if best is not None and plan.structure == stage.structure:
            break
    if best is not None:
        return best
    smallest, costs = min(tried.values(), key=lambda each: binding(each[1], caps)[1])
    return TooTight(smallest, costs, binding(costs, caps)[0], _least([each for _, each in tried.values()], caps))


def _costs(planner: Planner, plan: Plan, caps: Caps) -> Costs:
    """As measured last, now or by an earlier job: so that the same request finds the same structure again.

    What ships is measured after its candidate; where it was above a cap, the candidate must not be found once more.
    """
    bench, only_bytes = planner.bench, _only_bytes(caps)
    for point in reversed(bench.points(planner.precision)):
        if point.is_of(plan.structure) and (only_bytes or not point.only_bytes):
            return point.costs
    costs = _weighed(planner, plan) if only_bytes else _measured(planner, plan.structure)
    bench.note_point(plan.structure, planner.precision, costs, only_bytes)
    return costs


def _only_bytes(caps: Caps) -> bool:
    return caps == Caps(storage_bytes=caps.storage_bytes, runtime=caps.runtime)


def _least(costs: Sequence[Costs], caps: Caps) -> Caps:
    """The least of each cost, the smallest structure's among them; of what was only weighed the bytes."""
    weighed = Caps(storage_bytes=int(min(each.storage_bytes for each in costs)), runtime=caps.runtime)
    if _only_bytes(caps):
        return weighed
    ram, latency = min(each.ram_bytes for each in costs), min(each.latency_s for each in costs)
    return replace(weighed, ram_bytes=int(ram), latency_s=latency)


def _weighed(planner: Planner, plan: Plan) -> Costs:
    """Its bytes, which need no run; the rest is predicted."""
    artifact = planner.bench.export(planner.stage.cut(planner.bench, plan.structure), planner.precision)
    predicted = planner.bench.predictor(planner.precision).costs(plan.price)
    return replace(predicted, storage_bytes=len(artifact))


def _measured(planner: Planner, structure: Structure) -> Costs:
    built = planner.bench.build(planner.stage.cut(planner.bench, structure), planner.precision, *QUICK)
    return built.measured.costs


def _scaled(caps: Caps, target: float) -> Caps:
    return replace(
        caps,
        ram_bytes=None if caps.ram_bytes is None else int(caps.ram_bytes * target),
        storage_bytes=None if caps.storage_bytes is None else int(caps.storage_bytes * target),
        latency_s=None if caps.latency_s is None else caps.latency_s * target,
    )
