"""How far release 0.1's variants are above today's: a mean over seeds and networks, with its upper limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Any

import numpy as np

from controller.core.paired import ONE_SIDED

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Above:
    """As a share of samples, with the mean's variance."""

    mean: float
    variance: float

    @property
    def limit(self) -> float:
        """The upper one of a one-sided 95 % interval."""
        return self.mean + NormalDist().inv_cdf(1 - ONE_SIDED) * math.sqrt(self.variance)


def above(part: Row) -> Above:
    """Of one network; infinite where a seed has no two variants to compare.

    The variance is that of the samples, each one's mean over the seeds taken, and that between the seeds.
    """
    seeds = [each["above"] for each in part["seeds"] if "above" in each]
    if len(seeds) < len(part["seeds"]):
        return Above(math.inf, 0.0)
    samples = np.repeat([int(each) for each in part["sums"]], list(part["sums"].values())) / len(seeds)
    return Above(fmean(seeds), _of_mean(samples) + _of_mean(seeds))


def pooled(found: Sequence[Above]) -> Above:
    """Each network counts as much."""
    return Above(fmean(each.mean for each in found), sum(each.variance for each in found) / len(found) ** 2)


def _of_mean(values: Any) -> float:
    return float(np.var(values, ddof=1)) / len(values)
