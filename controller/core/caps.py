"""Bare caps, as an operator asks for: what of them a variant uses, and which variant comes closest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from controller.core.costs import Use, costs_of, uses_between
from controller.core.nouns.caps import Caps
from controller.core.nouns.variant import Variant

RAM_SPREAD, LATENCY_SPREAD = 0.02, 0.04
"""By what share the high-water mark and the p95 of one artifact usually differ between measurements, at the most."""


def held(caps: Caps) -> Caps:
    """What a measurement must stay under for the next one to stay under `caps`."""
    return replace(
        caps,
        ram_bytes=None if caps.ram_bytes is None else int(caps.ram_bytes * (1 - RAM_SPREAD)),
        latency_s=None if caps.latency_s is None else caps.latency_s * (1 - LATENCY_SPREAD),
    )


def sure(least: Caps) -> Caps:
    """The tightest caps that a prune keeps for sure where the smallest structure was measured to take the `least`."""
    return replace(
        least,
        ram_bytes=None if least.ram_bytes is None else math.ceil(least.ram_bytes / (1 - RAM_SPREAD)) + 1,
        latency_s=None if least.latency_s is None else least.latency_s / (1 - LATENCY_SPREAD),
    )


def uses(caps: Caps, variant: Variant) -> tuple[Use, ...]:
    """One for each cap that is set; latency is the p95 on the reference host."""
    return costs_of(variant).uses(caps)


def figures(caps: Caps, variants: Sequence[Variant]) -> list[tuple[float, list[float]]]:
    """Of each cap that is set the cap and what each variant takes of it."""
    rows = [[each.cost for each in uses(caps, variant)] for variant in variants]
    return [(cap.cap, [row[at] for row in rows]) for at, cap in enumerate(uses(caps, variants[0]))] if rows else []


def use(caps: Caps, variant: Variant) -> float:
    """How much of the tightest cap the variant uses: 1.0 is exactly full."""
    return max((each.share for each in uses(caps, variant)), default=0.0)


def costs_as_caps(variant: Variant) -> Caps:
    """The tightest caps that the variant is inside of."""
    return costs_of(variant).as_caps(variant.runtime)


def below(caps: Caps, least: Caps | None) -> Use | None:
    """The cap that lies furthest below the `least` of a model and runtime; None where none does for sure."""
    if least is None or least.runtime != caps.runtime:
        return None
    short = [each for each in uses_between(held(least), caps) if each.cost > each.cap]
    return max(short, key=lambda each: each.share, default=None)


def exceeds_all(caps: Caps, variant: Variant) -> bool:
    """Whether a variant under the caps can be cut from this one: it is above every one of them."""
    return all(each.share > 1 for each in uses(caps, variant))


def shippable(variants: Sequence[Variant], accuracy_floor: float | None) -> list[Variant]:
    """Those at or above the floor; one of unverified accuracy is not below it."""
    floor = accuracy_floor or 0.0
    return [each for each in variants if each.accuracy is None or each.accuracy >= floor]


def below_floor(dense: Variant, accuracy_floor: float | None) -> str:
    """Why the dense model, which is not `shippable`, may not ship."""
    return f"the dense model itself has {_percent(dense.accuracy)} accuracy, the floor is {_percent(accuracy_floor)}"


def _percent(share: float | None) -> str:
    """To a hundredth of a percent, which is one of 10,000 samples: a figure just below the floor is told from it."""
    return f"{100 * (share or 0.0):.2f}".rstrip("0").rstrip(".") + " %"


def closest(caps: Caps, variants: Sequence[Variant]) -> Variant | None:
    return min(variants, key=lambda each: use(caps, each), default=None)
