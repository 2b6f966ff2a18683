"""A rising line that bends at measured points, and its inverse: from a term to a cost and from a cap to a term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Line:
    """Through `points` (term, cost) by rising term and never falling cost; `slope` > 0 continues it beyond them."""

    points: tuple[tuple[float, float], ...]
    slope: float

    def at(self, term: float) -> float:
        """The cost of `term`."""
        (first_x, first_y), (last_x, last_y) = self.points[0], self.points[-1]
        if term <= first_x:
            return first_y + self.slope * (term - first_x)
        for (low_x, low_y), (high_x, high_y) in pairwise(self.points):
            if term <= high_x:
                return low_y + (high_y - low_y) * (term - low_x) / (high_x - low_x)
        return last_y + self.slope * (term - last_x)

    def inverse(self, cost: float) -> float:
        """The largest term that costs no more than `cost`; below what nothing at all costs it is negative."""
        (first_x, first_y), (last_x, last_y) = self.points[0], self.points[-1]
        if cost < first_y:
            return first_x + (cost - first_y) / self.slope
        for (low_x, low_y), (high_x, high_y) in pairwise(self.points):
            if low_y <= cost < high_y:
                return low_x + (high_x - low_x) * (cost - low_y) / (high_y - low_y)
        return last_x + (cost - last_y) / self.slope


def through(measured: Sequence[tuple[float, float]], growing: float, otherwise: Line, bulge: float = 0.0) -> Line:
    """The line through `measured` (term, cost), or `otherwise` where nothing is.

    Noise only adds, so no point costs more than a larger one was measured to. Beyond the ends `growing` is the share of
    the largest point's cost that grows with the term. `bulge` is how much more than the line says is expected halfway
    between far points, at most as much as at the next one; nothing at all is such a point too, where the line meets it.
    """
    rising = list[tuple[float, float]]()
    for term, cost in sorted((each for each in measured if each[0] > 0), reverse=True):
        least = min(cost, rising[-1][1]) if rising else cost
        if rising and rising[-1][0] == term:
            rising.pop()
        rising.append((term, least))
    if not rising:
        return otherwise
    (last_term, last_cost), (first_term, first_cost) = rising[0], rising[-1]
    slope = max(growing * last_cost / last_term, 1e-12)
    rising.append((0.0, max(0.0, first_cost - slope * first_term)))
    return Line(_bulged(rising[::-1], bulge), slope)


def _bulged(points: Sequence[tuple[float, float]], bulge: float) -> tuple[tuple[float, float], ...]:
    bent = [points[0]]
    for (low_x, low_y), (high_x, high_y) in pairwise(points):
        apart = min(1.0, 2 * (high_y - low_y) / high_y) if high_y > 0 else 0.0
        middle = (low_y + high_y) / 2 * (1 + bulge * apart)
        bent += [((low_x + high_x) / 2, min(middle, high_y)), (high_x, high_y)]
    return tuple(bent)
