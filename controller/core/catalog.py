"""What is known of one model, and which of its variants are as good as which: for choosing among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core.caps import shippable
from controller.core.types import Model, PruneJob, Variant


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is known of one model: its variants and the jobs asked for so far by key, a prune's that of its caps."""

    model: Model
    variants: Sequence[Variant]
    jobs: Mapping[str, PruneJob]

    def of_runtime(self, runtime: str) -> Catalog:
        """What of it a device with this runtime can run."""
        return replace(self, variants=[each for each in self.variants if each.runtime == runtime])

    def ram_base_bytes(self, runtime: str) -> int:
        """The bare runtime on the reference host; 0 until a variant was measured with it."""
        return next((each.ram_base_bytes for each in self.variants if each.runtime == runtime), 0)

    def variant(self, sha256: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.sha256 == sha256), None)

    @property
    def dense(self) -> Variant | None:
        return next((variant for variant in self.variants if variant.dense), None)

    @property
    def may_ship(self) -> list[Variant]:
        """Those at or above the accuracy floor."""
        return shippable(self.variants, self.model.accuracy_floor)


def as_dense(variant: Variant, catalog: Catalog) -> bool:
    """True of the dense variant, and of its whole structure in another precision that is certainly within the margin.

    Where the model sets no margin, it must certainly lose nothing.
    """
    if variant.dense or catalog.dense is None:
        return variant.dense
    worst, margin = variant.drop_high, catalog.model.accuracy_margin or 0.0
    return variant.parameters == catalog.dense.parameters and worst is not None and worst <= margin


def most_accurate(variants: Sequence[Variant]) -> list[Variant]:
    """Those whose interval reaches the best figure: of the paired drops where all have one, else of the accuracies.

    An interval may end a rounding error on the wrong side of the figure that it is around; the figure always counts.
    """
    drops = {each.sha256: each.drop for each in variants if each.drop is not None}
    if variants and len(drops) == len(variants):
        least = min(drops.values())
        return [each for each in variants if min(drops[each.sha256], _or(each.drop_low, drops[each.sha256])) <= least]
    most = max((each.accuracy or 0.0 for each in variants), default=0.0)
    return [each for each in variants if max(each.accuracy or 0.0, each.accuracy_high or 0.0) >= most]


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
