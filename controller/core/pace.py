"""How long a turn of the loop may decide, so that with all else that it does it is over soon: who comes meanwhile is
heard after it."""

from __future__ import annotations

from dataclasses import dataclass

TURN_S = 0.1
"""What a turn takes at most on a usual disk."""

LEAST_S, MOST_S = 0.015, 0.05
"""Of deciding: however slow the disk is, or much to be taken, what was asked for goes on."""

_AIM_S = 0.08  # no disk takes the same time twice
_LESS, _MORE = 0.5, 1.1  # a disk that stumbles once is no slow disk


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a turn: how long it decided, and how long it took with all else."""

    decided_s: float = 0.0
    took_s: float = 0.0


def deciding_s(might_s: float, cost: Cost) -> float:
    """Of the next turn, after one that might decide for `might_s`.

    Less where that took too long, by as much, but by half at most; a little more where it did not, though it decided
    for as long as it might. What it takes besides need not be known: some of it hangs on what was decided, as rows do,
    and some on nothing, as the disk's sync does.
    """
    if cost.took_s > _AIM_S:
        might_s *= max(_AIM_S / cost.took_s, _LESS)
    elif cost.decided_s >= 0.9 * might_s:
        might_s *= _MORE
    return min(max(might_s, LEAST_S), MOST_S)
