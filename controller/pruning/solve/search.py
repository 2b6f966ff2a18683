"""Finding the structure of least loss that *measures* inside the caps: solve, build, measure, correct, repeat.

The loop is NetAdapt's (Yang et al., ECCV 2018), with predictions that every measurement corrects in between, so that
few artifacts have to be built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.core.costs import Costs, binding
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.pruning.graph.structure import Structure
from controller.pruning.solve.plan import Plan

_GOOD_USE = 0.93
_TARGETS = (0.985, 0.98, 0.975, 0.96, 0.94, 0.9, 0.85, 0.0)  # the last is for the smallest there is
_ENOUGH_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The structure to recover, its measured costs, and the cap that it uses most with the share of it."""

    structure: Structure
    costs: Costs
    binding: Constraint
    use: float


@dataclass(frozen=True, slots=True)
class TooTight:
    """Not even the smallest structure lies inside the caps."""

    structure: Structure
    costs: Costs
    binding: Constraint


def search(
    plan: Callable[[Caps], Plan],
    costs: Callable[[Plan], Costs],
    start: Structure,
    caps: Caps,
    told: Callable[[int, Plan], None] = lambda _number, _plan: None,
) -> Found | TooTight:
    """The best-used structure found under `caps`, cut from `start` (not recovered yet).

    `plan` chooses under caps by all that was measured so far, and `costs` measures what it chose; `told` hears of each
    candidate and its number before that.
    """
    best: Found | None = None
    tried = dict[tuple[object, ...], tuple[Structure, Costs]]()
    for number, target in enumerate(_TARGETS):
        if best is not None and (best.use >= _GOOD_USE or number >= _ENOUGH_ROUNDS):
            break
        planned = plan(_scaled(caps, target))
        key = (planned.structure.dropped, *planned.structure.widths.values())
        if key in tried:
            continue
        told(number, planned)
        measured = costs(planned)
        tried[key] = planned.structure, measured
        which, use = binding(measured, caps)
        if use <= 1 and (best is None or use > best.use):
            best = Found(planned.structure, measured, which, use)
        if use > 1 and not planned.fits:  # nothing smaller is left
            break
        if best is not None and planned.structure == start:
            break
    if best is not None:
        return best
    smallest, least = min(tried.values(), key=lambda each: binding(each[1], caps)[1])
    return TooTight(smallest, least, binding(least, caps)[0])


def only_bytes(caps: Caps) -> bool:
    """Whether bytes alone are asked for: these need no run."""
    return caps == Caps(storage_bytes=caps.storage_bytes, runtime=caps.runtime)


def _scaled(caps: Caps, target: float) -> Caps:
    return replace(
        caps,
        ram_bytes=None if caps.ram_bytes is None else int(caps.ram_bytes * target),
        storage_bytes=None if caps.storage_bytes is None else int(caps.storage_bytes * target),
        latency_s=None if caps.latency_s is None else caps.latency_s * target,
    )
