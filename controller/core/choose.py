"""Choosing among variants that all fit and may all ship: by what their owner prefers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.core.compare import ERROR, contenders, shown_worse, within_margin
from controller.core.nouns.model import Model, Prefer
from controller.core.nouns.variant import Variant

COST_NOISE = 0.03
"""Latencies and high-water marks within this share are tied: measured again, one artifact differs by as much."""


def choose(fitting: Sequence[Variant], model: Model) -> Variant | None:
    """The variant to run, None where none fits. The order of `fitting` does not matter.

    `accuracy`: of those that no other one is shown to be more right than, the one that costs least. `frugal`: the same
    among these and those that are shown to be within the model's margin of the best.
    """
    return least_costly(eligible(fitting, model))


def eligible(fitting: Sequence[Variant], model: Model) -> list[Variant]:
    """Those that the preference leaves to choose from by cost alone."""
    chosen = contenders(fitting)
    if model.prefer is Prefer.FRUGAL and model.accuracy_margin is not None:
        chosen += [each for each in within_margin(fitting, model.accuracy_margin) if each not in chosen]
    return chosen


def least_costly(variants: Sequence[Variant]) -> Variant | None:
    """The least energy, of those tied with it the least RAM, of those the fewest bytes.

    On one device and runtime the energy of an inference is in proportion to its time, so time stands for it.
    """
    for cost in (energy, ram):
        variants = _least(variants, cost)
    return min(variants, key=lambda each: (each.size_bytes, -(each.accuracy or 0.0), each.sha256), default=None)


def energy(variant: Variant) -> float:
    return variant.latency_p50_s


def ram(variant: Variant) -> float:
    return variant.ram_bytes


def better(new: Variant, old: Variant, model: Model) -> bool:
    """Worth another swap: `new` is shown to be more right; to a frugal owner also one that costs less and may be chosen
    beside `old`."""
    if shown_worse(old, new, ERROR):
        return True
    cheaper = energy(new) < energy(old) * (1 - COST_NOISE)
    return model.prefer is Prefer.FRUGAL and cheaper and choose([new, old], model) is new


def _least(variants: Sequence[Variant], cost: Callable[[Variant], float]) -> list[Variant]:
    least = min(map(cost, variants), default=0.0)
    return [each for each in variants if cost(each) <= least * (1 + COST_NOISE)]
