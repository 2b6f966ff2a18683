"""How often a model is right, with what the sample allows one to say about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from controller.pruning.model.data import Floats, Labels

_Z95 = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Accuracy:
    share: float
    low: float
    high: float
    samples: int


def wilson(right: int, samples: int) -> Accuracy:
    """`right` of `samples` with the Wilson score interval at 95 % (E. B. Wilson, 1927)."""
    share, z2 = right / samples, _Z95**2
    middle = (share + z2 / (2 * samples)) / (1 + z2 / samples)
    half = _Z95 / (1 + z2 / samples) * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2))
    # Rounding must not put the share itself outside, as it does where all are right or none is.
    return Accuracy(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), samples)


def classify(outputs: Floats, labels: Labels) -> Accuracy:
    """Top-1 accuracy of `outputs` `[n, classes]` against `labels` `[n]`."""
    right: NDArray[Any] = outputs.argmax(axis=1) == labels
    return wilson(int(right.sum()), len(labels))
