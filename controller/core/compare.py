"""Which of some variants are as right as which: what the gate's samples show, and what they leave open.

Two variants that were judged on the same samples are compared sample by sample. What was measured before there was such
evidence is compared by intervals: against the dense model where both have one, else of the accuracies themselves. Two
intervals that do not meet show a difference; they show less than the samples would, never more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from controller.core.nouns.evidence import paired
from controller.core.nouns.variant import Precision, Variant
from controller.core.paired import Paired

ERROR = 0.05
"""How often, at the most, all that is said of one choice may hold something wrong."""


def best_of(variants: Sequence[Variant]) -> Variant:
    """The one with the highest accuracy; where none is known, the one that kept most of the model. At least one."""
    return max(variants, key=lambda each: (each.accuracy or 0.0, *_kept(each), -each.latency_p50_s, each.sha256))


def contenders(variants: Sequence[Variant]) -> list[Variant]:
    """Those that are not shown to be less right than another one of them; the best is always one.

    Each is held against all others, at a share of the error each: the truly best one is missing with a chance of at
    most `ERROR`, however many there are (J. C. Hsu, Annals of Statistics 12, 1984, 1136-1144, with Bonferroni's bound).
    Beside known accuracies an unknown one is none; where none is known, only what kept as much of the model is one.
    """
    if not variants:
        return []
    best, error = best_of(variants), ERROR / max(len(variants) - 1, 1)
    if best.accuracy is None:
        return [each for each in variants if _kept(each) == _kept(best)]
    verified = [each for each in variants if each.accuracy is not None]
    open_still = [each for each in verified if not any(shown_worse(each, other, error) for other in verified)]
    return open_still or [best]


def within_margin(variants: Sequence[Variant], margin: float) -> list[Variant]:
    """Those that are shown to be at most `margin` (a share) less right than the best, for all of them at once."""
    if not variants:
        return []
    best, error = best_of(variants), ERROR / max(len(variants) - 1, 1)
    return [each for each in variants if each is best or _at_most_below(each, best, margin, error)]


def at_most_worse(one: Variant, other: Variant, error: float = ERROR) -> float | None:
    """By how much `one` may be less right than `other`, a share that is exceeded with a chance of `error`.

    None where nothing tells. Of intervals the error is their own.
    """
    if one.sha256 == other.sha256:
        return 0.0
    if (compared := _compared(other, one)) is not None:
        return _highest_drop(compared, error)
    drops, accuracies = _drops(one, other), _accuracies(one, other)
    if drops is not None:
        return drops[0][1] - drops[1][0]
    return None if accuracies is None else accuracies[1][1] - accuracies[0][0]


def shown_worse(one: Variant, other: Variant, error: float) -> bool:
    """The gate shows that `one` is less right than `other`. It is so by chance at most with a share of `error`."""
    if (compared := _compared(other, one)) is not None:
        return _worse(compared, error)
    drops, accuracies = _drops(one, other), _accuracies(one, other)
    if drops is not None:
        return drops[0][0] > drops[1][1]
    return accuracies is not None and accuracies[0][1] < accuracies[1][0]


def _at_most_below(one: Variant, best: Variant, margin: float, error: float) -> bool:
    most = at_most_worse(one, best, error)
    return most is not None and most <= margin


def _compared(before: Variant, after: Variant) -> Paired | None:
    """Sample by sample; None where one has no evidence, or theirs is of other samples."""
    if before.evidence is None or after.evidence is None:
        return None
    return _paired(before.evidence, after.evidence)


# The same few variants are compared for every device of a fleet.
_paired = lru_cache(maxsize=4096)(paired)
_worse = lru_cache(maxsize=4096)(Paired.worse)
_highest_drop = lru_cache(maxsize=4096)(Paired.highest)


Interval = tuple[float, float]


def _drops(*variants: Variant) -> list[Interval] | None:
    """How far each is below the dense model at least and at most, with 95 %; None where one of them does not say."""
    found = [_drop(each) for each in variants]
    return None if None in found else [each for each in found if each is not None]


def _drop(variant: Variant) -> Interval | None:
    if variant.dense:
        return 0.0, 0.0
    low, high = variant.drop_low, variant.drop_high
    return None if low is None or high is None else (low, high)


def _accuracies(*variants: Variant) -> list[Interval] | None:
    """The 95 % interval of each; an interval may end a rounding error on the wrong side of its own figure."""
    if any(each.accuracy is None for each in variants):
        return None
    return [_interval(each.accuracy or 0.0, each.accuracy_low, each.accuracy_high) for each in variants]


def _interval(figure: float, low: float | None, high: float | None) -> Interval:
    return min(figure, figure if low is None else low), max(figure, figure if high is None else high)


def _kept(variant: Variant) -> tuple[int, bool]:
    return variant.parameters, variant.precision is Precision.FP32
