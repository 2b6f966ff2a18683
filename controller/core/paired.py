"""A variant against the dense model on the same samples: only those where one is right and the other wrong count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

ONE_SIDED, _TWO_SIDED = 0.05, 0.025  # error at one end of a one-sided and of a two-sided 95 % statement
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
        return self.highest(_TWO_SIDED)

    @property
    def smallest_margin(self) -> float:
        """The variant is shown to be no worse than this, at one-sided 95 %; 1 where there are no samples."""
        return self.highest(ONE_SIDED)

    def non_inferior(self, margin: float, error: float = ONE_SIDED) -> bool:
        """Shown to be at most `margin` worse: of those that are as bad as it, this is said with a chance of `error`."""
        return self.highest(error) <= margin

    def samples_needed(self, margin: float, error: float = ONE_SIDED) -> int | None:
        """How many samples would show it, were the shares those seen here; None where none would."""
        if not self.samples or margin <= self.drop:
            return None
        return math.ceil(self.samples * (_z(error) / self._score(min(margin, 1.0))) ** 2)

    def highest(self, error: float) -> float:
        """The largest drop that the samples do not contradict: a true one is above it with a chance of `error`."""
        low, high, z = self.drop, 1.0, _z(error)
        if not self.samples:
            return high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._score(middle) <= -z else (middle, high)
        return high

    def worse(self, error: float) -> bool:
        """Shown to be worse: were both as good, so many lost and so few won had a chance of at most `error`.

        The exact test of Q. McNemar (Psychometrika 12, 1947, 153-157): of samples on which only one is right, each
        one has them with a chance of a half.
        """
        differing, tail, ways = self.lost + self.won, 0, 1
        if 2 * self.lost <= differing:
            return False
        for won in range(self.won + 1):
            tail += ways
            ways = ways * (differing - won) // (won + 1)
        limit: Fraction = Fraction(error) * 2**differing
        return tail <= limit

    def _score(self, drop: float) -> float:
        """How many standard errors the drop measured lies above a true `drop`, whose likeliest `won` share it takes."""
        n, linear = self.samples, 2 * (self.samples - self.lost) * drop - (self.lost + self.won) * (1 - drop)
        root = math.sqrt(max(0.0, linear**2 + 8 * n * self.won * drop * (1 - drop)))
        variance = (root - linear) / (2 * n) + drop * (1 - drop)
        return (self.drop - drop) / math.sqrt(variance / n) if variance > 0 else -math.inf


def _z(error: float) -> float:
    """How many standard errors a normal figure exceeds with this chance."""
    return NormalDist().inv_cdf(1 - error)
