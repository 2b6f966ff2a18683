"""How long a turn of the loop may decide, so that with all else that it does it is over soon: who comes meanwhile is
heard after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TURN_S = 0.1
"""What a turn takes at most on a usual disk."""

REMEMBERED = 20
"""So many turns say what the next one costs."""

_AIM_S = 0.08  # no disk takes the same time twice
_LEAST_S, MOST_S = 0.005, 0.05  # of deciding


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one turn: in `worked_s` it took facts and decided, in `rest_s` what came of that was written and sent."""

    worked_s: float
    rest_s: float


def deciding_s(lately: Iterable[Cost], taken_s: float) -> float:
    """Of the next turn, in which all that does not hang on what is decided takes `taken_s`: to take facts, and upkeep.

    What is decided is to be written: the rest takes as many times as long as in the dearest of the last turns. Of those
    that hardly did anything nothing follows.
    """
    times = max((each.rest_s / each.worked_s for each in lately if each.worked_s >= _LEAST_S), default=0.0)
    return min(max(_AIM_S / (1.0 + times) - taken_s, _LEAST_S), MOST_S)
