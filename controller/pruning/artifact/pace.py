"""What times are told against: artifacts whose times are known, run by turns with the one that is measured.

After a pause a host adds to every inference about the same, however long it is: of a residual network 40 to 110 us
beside 60 to 420, more in one minute than in the next, and more in INT8 than in fp32. A proportion to the dense model
alone is off by that: medians of one artifact in INT8 then differ from process to process by 2 to 13 % (standard
deviation). Told by its place between a slow and a fast artifact of its own precision they differ by 1 to 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_APART = 0.6  # of the slow one's time: closer together they tell only of each other's noise


@dataclass(frozen=True, slots=True)
class Mark:
    """An artifact, and the median that it was given when it was first measured."""

    path: Path
    latency_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """One or two marks, the slow one first; `tail` is the dense model's p95 in shares of its median."""

    marks: tuple[Mark, ...]
    tail: float

    def told(self, times: NDArray[np.float64]) -> float:
        """The median of an artifact as it would be in the minute in which the marks had theirs.

        `times` is `[samples, 1 + marks]` in seconds, of one process: its own and those of the marks. Below the fast
        mark, and with one mark alone, by proportion; else on the line through both.
        """
        mine, slow, *others = map(float, np.median(times, axis=0))
        slow_s = self.marks[0].latency_s
        if not others or others[0] >= slow or self.marks[1].latency_s > _APART * slow_s:
            return mine / slow * slow_s
        fast, fast_s = others[0], self.marks[1].latency_s
        if mine < fast:
            return mine / fast * fast_s
        return fast_s + (mine - fast) / (slow - fast) * (slow_s - fast_s)
