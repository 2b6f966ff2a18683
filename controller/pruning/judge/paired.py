"""A variant against the dense model on the same samples: only those where one is right and the other wrong count."""

from __future__ import annotations

import math
from dataclasses import dataclass

from controller.pruning.judge.accuracy import right
from controller.pruning.model.data import Floats, Labels

_Z90, _Z95 = 1.644854, 1.959964  # one-sided and two-sided 95 % of the normal distribution
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Paired:
    """Of `samples`, the dense model alone is right on `lost` and the variant alone on `won`.

    `drop` is how much worse the variant is, as a share. What the samples say of it is judged by the score test of a
    difference of paired proportions (T. Tango, Statistics in Medicine 17, 1998, 891-908). It tends to the usual
    d + z sqrt(b + c - (b - c)^2 / n) / n, which lets too much through where the models differ on a few samples only: of
    variants as bad as a margin of 1 % allows, that passed one in five on 300 samples, and not one in twenty.
    """

    samples: int
    lost: int
    won: int

    @property
    def drop(self) -> float:
        return (self.lost - self.won) / self.samples if self.samples else 0.0

    @property
    def drop_low(self) -> float:
        """With `drop_high` the two-sided 95 % interval."""
        return -Paired(self.samples, lost=self.won, won=self.lost).drop_high

    @property
    def drop_high(self) -> float:
        return self._highest(_Z95)

    @property
    def smallest_margin(self) -> float:
        """The variant is shown to be no worse than this, at one-sided 95 %; 1 where there are no samples."""
        return self._highest(_Z90)

    def non_inferior(self, margin: float) -> bool:
        return self.smallest_margin <= margin

    def samples_needed(self, margin: float) -> int | None:
        """How many samples would show it, were the shares those seen here; None where none would."""
        if not self.samples or margin <= self.drop:
            return None
        return math.ceil(self.samples * (_Z90 / self._score(min(margin, 1.0))) ** 2)

    def _highest(self, z: float) -> float:
        """The largest drop that the samples do not contradict by `z` standard errors."""
        low, high = self.drop, 1.0
        if not self.samples:
            return high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._score(middle) <= -z else (middle, high)
        return high

    def _score(self, drop: float) -> float:
        """How many standard errors the drop measured lies above a true `drop`, whose likeliest `won` share it takes."""
        n, linear = self.samples, 2 * (self.samples - self.lost) * drop - (self.lost + self.won) * (1 - drop)
        root = math.sqrt(max(0.0, linear**2 + 8 * n * self.won * drop * (1 - drop)))
        variance = (root - linear) / (2 * n) + drop * (1 - drop)
        return (self.drop - drop) / math.sqrt(variance / n) if variance > 0 else -math.inf


def pair(dense: Floats, variant: Floats, labels: Labels) -> Paired:
    """Compare two models' outputs `[n, classes]` for the same inputs, of the given `labels` `[n]`."""
    before, after = right(dense, labels), right(variant, labels)
    return Paired(len(labels), lost=int((before & ~after).sum()), won=int((after & ~before).sum()))
