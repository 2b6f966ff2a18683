"""Costs against caps: what a structure or a variant takes of each cap that is set."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.wire.profile import Runtime
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.variant import Variant


@dataclass(frozen=True, slots=True)
class Use:
    """What is taken of one cap, in bytes or seconds. `binding` names the cap as jobs do."""

    binding: Constraint
    cost: float
    cap: float

    @property
    def share(self) -> float:
        return self.cost / self.cap if self.cap > 0 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Measured or predicted: model RAM above the runtime's base, the artifact's size, p95 CPU time of one inference."""

    ram_bytes: float
    storage_bytes: float
    latency_s: float

    def uses(self, caps: Caps) -> tuple[Use, ...]:
        """One for each cap that is set."""
        return _uses((self.ram_bytes, self.storage_bytes, self.latency_s), caps)

    def as_caps(self, runtime: Runtime) -> Caps:
        """The tightest caps that these are inside of."""
        return Caps(
            ram_bytes=int(self.ram_bytes),
            storage_bytes=int(self.storage_bytes),
            latency_s=self.latency_s,
            runtime=runtime,
        )


def uses_between(taken: Caps, caps: Caps) -> tuple[Use, ...]:
    """What something that is just inside `taken` takes of each of `caps`, of those that are set in both."""
    return _uses((taken.ram_bytes, taken.storage_bytes, taken.latency_s), caps)


def costs_of(variant: Variant) -> Costs:
    """As it was measured; its latency is the p95 on the reference host."""
    return Costs(ram_bytes=variant.ram_bytes, storage_bytes=variant.size_bytes, latency_s=variant.latency_p95_s)


def binding(costs: Costs, caps: Caps) -> tuple[Constraint, float]:
    """The cap that is used most, and its share; `(NONE, 0)` without caps."""
    most = max(costs.uses(caps), key=lambda each: each.share, default=None)
    return (Constraint.NONE, 0.0) if most is None else (most.binding, most.share)


def _uses(taken: tuple[float | None, float | None, float | None], caps: Caps) -> tuple[Use, ...]:
    names = (Constraint.RAM_MODEL, Constraint.STORAGE, Constraint.DEADLINE)
    rows = zip(names, taken, (caps.ram_bytes, caps.storage_bytes, caps.latency_s), strict=True)
    return tuple(Use(which, cost, cap) for which, cost, cap in rows if cost is not None and cap is not None)
