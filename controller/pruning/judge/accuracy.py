"""How often a model is right, with what the sample allows one to say about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.core.paired import Paired
from controller.pruning.model.data import Floats, Labels

_Z95 = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Accuracy:
    share: float
    low: float
    high: float
    samples: int


def wilson(hits: int, samples: int) -> Accuracy:
    """`hits` of `samples` with the Wilson score interval at 95 % (E. B. Wilson, 1927)."""
    share, z2 = hits / samples, _Z95**2
    middle = (share + z2 / (2 * samples)) / (1 + z2 / samples)
    half = _Z95 / (1 + z2 / samples) * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2))
    # Rounding must not put the share itself outside, as it does where all are right or none is.
    return Accuracy(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), samples)


def classify(outputs: Floats, labels: Labels) -> Accuracy:
    """Top-1 accuracy of `outputs` `[n, classes]` against `labels` `[n]`."""
    return wilson(int(right(outputs, labels).sum()), len(labels))


def right(outputs: Floats, labels: Labels) -> NDArray[Any]:
    """Whether each is; what holds a NaN is not, whichever class it says."""
    said: NDArray[Any] = outputs.argmax(axis=1) == labels
    return said & ~np.isnan(outputs).any(axis=1)


def pair(dense: Floats, variant: Floats, labels: Labels) -> Paired:
    """Compare two models' outputs `[n, classes]` for the same inputs, of the given `labels` `[n]`."""
    before, after = right(dense, labels), right(variant, labels)
    return Paired(len(labels), lost=int((before & ~after).sum()), won=int((after & ~before).sum()))
