"""Whether a prune would pay: what it is *modelled* to win, before anything is trained.

The model of it has three parts.

- *Size*: of a structure the share of the dense model's parameters that it keeps. Caps allow the largest size whose
  measured costs (RAM, bytes, p95), interpolated on a log scale between this model's variants, are inside all of them,
  in whichever precision that is more.
- *Accuracy by size*: isotonic regression of the variants' accuracies, the precisions of one structure as one (pool
  adjacent violators: R. Barlow et al., Statistical Inference under Order Restrictions, 1972).
- *What earlier predictions missed by*, in scales. A prediction's scale has two parts: the standard error of a
  difference on the gate, and half of what the next larger known structure is better by; where little is known, little
  is promised. With mean m and deviation s of n such residuals the upper 90 % limit lies m + t(0.9, n) s sqrt(1 + 1/n)
  scales above what is expected (the predictive limit of a normal sample). `PRIOR` counts as five residuals: it is what
  the same model misses by on the ladders of the zoo. A prune that fell far short counts as one deviation short: it says
  that prunes fail, not how much another may win.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, median

from controller.core.caps import figures
from controller.core.nouns.caps import Caps
from controller.core.nouns.evidence import paired
from controller.core.nouns.job import Job, JobState, prunes
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Prediction

PRIOR_COUNT, PRIOR_MEAN, PRIOR_DEVIATION = 5, 0.29, 0.88
_Z90, _Z95 = 1.281552, 1.959964
_SHORTEST = PRIOR_MEAN - PRIOR_DEVIATION


def predict(best: Variant, caps: Caps, variants: Sequence[Variant], jobs: Sequence[Job]) -> Prediction | None:
    """What a variant made under `caps` is modelled to win against `best`; None where there is nothing to go by.

    `variants` are the model's, of the runtime of the caps; `jobs` its jobs, whose predictions may have come out.
    """
    known = [each for each in variants if each.accuracy is not None]
    size, error = size_under(caps, known), gate_error(best, known)
    if size is None or error is None or best.accuracy is None:
        return None
    expected, scale = accuracy_at(size, known), scale_at(size, known, error)
    win = expected - best.accuracy
    high = win + scale * _limit(residuals(jobs, known))
    return Prediction(against=best.sha256, win=win, high=high, error=error, scale=scale)


def pays(prediction: Prediction) -> bool:
    """What it may win could be told from nothing on this gate, at 95 %."""
    return prediction.high > _Z95 * prediction.error


def residuals(jobs: Sequence[Job], variants: Sequence[Variant]) -> list[float]:
    """By how many of its scale each finished prune won more than was expected of it."""
    accuracy = {each.sha256: each.accuracy for each in variants}
    found = list[float]()
    for job, prune in prunes(jobs):
        made, told = accuracy.get(job.sha256 or ""), prune.prediction
        before = None if told is None else accuracy.get(told.against)
        if job.state is JobState.DONE and told is not None and made is not None and before is not None:
            found.append(max((made - before - told.win) / (told.scale or told.error), _SHORTEST))
    return found


def _limit(missed: Sequence[float]) -> float:
    count = PRIOR_COUNT + len(missed)
    middle = (PRIOR_COUNT * PRIOR_MEAN + sum(missed)) / count
    squares = PRIOR_COUNT * (PRIOR_DEVIATION**2 + (PRIOR_MEAN - middle) ** 2) + sum((z - middle) ** 2 for z in missed)
    return middle + _student90(count) * math.sqrt(squares / count * (1 + 1 / count))


def _student90(degrees: int) -> float:
    """Its 90 % point, within 0.005 from four degrees of freedom on (Abramowitz and Stegun, 1964, formula 26.7.5)."""
    z = _Z90
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def gate_error(best: Variant, variants: Sequence[Variant]) -> float | None:
    """The standard error of the difference in accuracy between `best` and another variant, on the gate."""
    pairs = [
        paired(best.evidence, each.evidence)
        for each in variants
        if best.evidence is not None and each.evidence is not None and each.sha256 != best.sha256
    ]
    differing = [each.lost + each.won for each in pairs if each is not None]
    if best.evidence is not None and differing:
        return math.sqrt(max(median(differing), 1)) / best.evidence.samples
    if best.drop_low is not None and best.drop_high is not None and best.drop_high > best.drop_low:
        return (best.drop_high - best.drop_low) / (2 * _Z95)
    if best.accuracy is None or not best.gate_samples:
        return None
    return math.sqrt(max(2 * best.accuracy * (1 - best.accuracy), 1 / best.gate_samples) / best.gate_samples)


def size_under(caps: Caps, variants: Sequence[Variant]) -> float | None:
    """The number of parameters that a variant under `caps` may keep; None below everything that was measured."""
    precisions = {each.precision for each in variants}
    found = [_size_in([each for each in variants if each.precision == one], caps) for one in precisions]
    return max((size for size in found if size is not None), default=None)


def _size_in(variants: Sequence[Variant], caps: Caps) -> float | None:
    ladder = sorted(variants, key=lambda each: each.parameters)
    sizes = [math.log(max(each.parameters, 1)) for each in ladder]
    allowed = sizes[-1]
    for cap, costs in figures(caps, ladder):
        rising = [math.log(max(costs[: at + 1])) for at in range(len(costs))]
        if cap <= 0 or math.log(cap) < rising[0]:
            return None
        allowed = min(allowed, _between(rising, sizes, math.log(cap)))
    return math.exp(allowed)


def accuracy_at(size: float, variants: Sequence[Variant]) -> float:
    """What a variant of so many parameters is expected to reach; of the ends at the ends."""
    sizes, levels = _by_size(variants)
    return _between(sizes, levels, math.log(size))


def scale_at(size: float, variants: Sequence[Variant], error: float) -> float:
    """By how much such a prediction may well miss: accuracy rises somewhere between two structures, who knows where."""
    sizes, levels = _by_size(variants)
    larger = next((level for known, level in zip(sizes, levels, strict=True) if known >= math.log(size)), levels[-1])
    return math.hypot(error, (larger - _between(sizes, levels, math.log(size))) / 2)


def _by_size(variants: Sequence[Variant]) -> tuple[list[float], list[float]]:
    """The logarithms of the sizes, rising, and the accuracies there, which never fall."""
    by_size = dict[int, list[float]]()
    for each in variants:
        by_size.setdefault(max(each.parameters, 1), []).append(each.accuracy or 0.0)
    sizes = sorted(by_size)
    return [math.log(each) for each in sizes], isotonic([mean(by_size[each]) for each in sizes])


def isotonic(values: Sequence[float]) -> list[float]:
    """The closest row, by least squares, that never falls."""
    pools = list[tuple[float, int]]()
    for value in values:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (last, many), (before, more) = pools.pop(), pools.pop()
            pools.append(((last * many + before * more) / (many + more), many + more))
    return [level for level, many in pools for _ in range(many)]


def _between(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Linear between the points, whose `xs` do not fall, and level beyond them; of equal `xs` the last counts."""
    if x < xs[0]:
        return ys[0]
    for (left, low), (right, high) in pairwise(zip(xs, ys, strict=True)):
        if x < right:
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]
