"""A ranking and a loss for each width: of a group's units the one whose loss is least goes first, again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_POINTS = 24


@dataclass(frozen=True, slots=True)
class Elimination:
    """`ranking[unit]` is higher the later the unit goes. `losses[width]`, from 0 to all, is what is lost at that width:
    it never rises with the width, and is 0 at the last."""

    ranking: tuple[float, ...]
    losses: tuple[float, ...]

    def curve(self, scale: float) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """At most about two dozen widths from 1 to all, and the losses there times `scale`."""
        most = len(self.ranking)
        widths = sorted({max(1, round(width)) for width in np.linspace(1, most, min(most, _MOST_POINTS))})
        return tuple(widths), tuple(self.losses[width] * scale for width in widths)


def eliminate(contributions: NDArray[np.float32]) -> Elimination:
    """Of a group's `contributions` `[rows, units]` to the answers, see `controller.pruning.estimate.contributions`.

    Half the mean square of a sum is a quadratic form of what is gone, so each further unit costs its own part and what
    it shares with those that went before it.
    """
    rows, units = contributions.shape
    form = contributions.T.astype(np.float64) @ contributions / max(rows, 1)
    costs, gone, lost = np.diag(form) / 2, np.zeros(units, dtype=bool), 0.0
    ranking, losses = [0.0] * units, [0.0]
    for place in range(units):
        unit = int(np.where(gone, np.inf, costs).argmin())
        gone[unit], ranking[unit] = True, float(place)
        lost += float(costs[unit])
        losses.append(max(lost, losses[-1]))  # units that undo each other's loss are no reason to remove more
        costs = costs + form[unit]
    return Elimination(tuple(ranking), tuple(reversed(losses)))
