"""The ladder of a model: its variants of which none is as good in everything as another, from dense downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.choose import COST_NOISE
from controller.core.compare import ERROR, shown_worse
from controller.core.nouns.variant import Variant


@dataclass(frozen=True, slots=True)
class Rung:
    """`speedup` is the dense variant's p50 over this one's, `saved_share` what it saves of the dense artifact's bytes.

    Both are None where the dense variant is not measured.
    """

    variant: Variant
    speedup: float | None
    saved_share: float | None


def ladder(variants: Sequence[Variant]) -> tuple[Rung, ...]:
    """Of one runtime's variants the dense one and all that no other dominates on (accuracy, latency, RAM, bytes), the
    slower ones first.

    Accuracies whose intervals overlap are tied, latencies and RAM within 3%; bytes are exact, and of what is tied the
    smaller is kept. A tie of ties is none, so each is held against what is kept, from the smallest up.
    """
    dense = next((each for each in variants if each.dense), None)
    kept: list[Variant] = []
    for variant in sorted(variants, key=_size):
        if not any(_dominates(smaller, variant) for smaller in kept):
            kept.append(variant)
    rest = sorted((each for each in kept if not each.dense), key=lambda each: (-each.latency_p50_s, each.sha256))
    return tuple(_rung(each, dense) for each in [*([dense] if dense else []), *rest])


def _size(variant: Variant) -> tuple[float, ...]:
    return (variant.size_bytes, variant.ram_bytes, -(variant.accuracy or 0.0), variant.latency_p50_s)


def _dominates(smaller: Variant, variant: Variant) -> bool:
    """True where `smaller`, which has no more bytes, is no worse in anything else."""
    return (
        smaller.latency_p50_s <= variant.latency_p50_s * (1 + COST_NOISE)
        and smaller.ram_bytes <= variant.ram_bytes * (1 + COST_NOISE)
        and _as_right(smaller, variant)
    )


def _as_right(smaller: Variant, variant: Variant) -> bool:
    """It is not shown to be less right; unverified, only what kept as much is as right."""
    if smaller.accuracy is None or variant.accuracy is None:
        return smaller.precision == variant.precision and smaller.parameters >= variant.parameters
    return not shown_worse(smaller, variant, ERROR)


def _rung(variant: Variant, dense: Variant | None) -> Rung:
    if dense is None:
        return Rung(variant, None, None)
    return Rung(variant, dense.latency_p50_s / variant.latency_p50_s, 1 - variant.size_bytes / dense.size_bytes)
