"""What a refine job does, as counts on the shelf: one that was stopped goes on with what is left of it.

Seconds are told once, by the pace at which the standing variant was trained; decisions follow the counts. So the same
request does the same, killed or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from controller.durable import put_file

_FOR_TRIALS, _FOR_THE_LAST = 0.5, 0.4  # shares of the budget; the rest is for measuring
_BRIEF = 0.25  # of the epochs that the standing variant was given
_MOST_TRIALS, _LONGEST = 24, 8.0
_FEW = 4
_BESIDE_TRAINING_S = 3.0  # to choose, cut and judge a structure


class Tried(msgspec.Struct, frozen=True):
    """A structure that came of these factors on what groups and blocks are worth, what it was `estimated` to lose
    without them, and its distance from the dense model's answers once it had recovered a little; None where it was
    known, or did not fit."""

    factors: Mapping[str, float]
    structure: str
    estimated: float
    distance: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many structures are tried, for how many epochs each, and for how many the best of them is trained."""

    trials: int
    brief_epochs: float
    epochs: float


def counts(budget_s: float, epochs: float, epoch_s: float) -> Counts:
    """For `budget_s` seconds, where the standing variant was trained for so many `epochs` of `epoch_s` seconds."""
    brief = epochs * _BRIEF
    trials = int(budget_s * _FOR_TRIALS / (brief * epoch_s + _BESIDE_TRAINING_S))
    longest = budget_s * _FOR_THE_LAST / epoch_s if epoch_s > 0 else 0.0
    return Counts(min(trials, _MOST_TRIALS), brief, round(max(epochs, min(longest, epochs * _LONGEST)), 2))


class _Kept(msgspec.Struct, frozen=True):
    epochs: float
    epoch_s: float
    tried: list[Tried]


@dataclass
class Agenda:
    """In `file`. The first variant was trained for so many `epochs` of `epoch_s` seconds; what is better since then was
    trained longer, and does not count."""

    file: Path
    epochs: float
    epoch_s: float
    tried: list[Tried]

    @staticmethod
    def of(file: Path, epochs: float, epoch_s: float) -> Agenda:
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
        except (FileNotFoundError, msgspec.MsgspecError):
            kept = _Kept(epochs, epoch_s, [])
        made = Agenda(file, kept.epochs, kept.epoch_s, kept.tried)
        made._put()
        return made

    def note(self, tried: Tried) -> None:
        self.tried.append(tried)
        self._put()

    @property
    def best(self) -> Tried | None:
        """The one that came nearest to the dense model."""
        judged = [each for each in self.tried if each.distance is not None]
        return min(judged, key=lambda each: each.distance or 0.0, default=None)

    @property
    def agreement(self) -> dict[str, float]:
        """How the estimates and what was found agree: by rank (C. Spearman, 1904), and by how much found is more."""
        pairs = [(each.estimated, each.distance) for each in self.tried if each.distance is not None]
        if len(pairs) < _FEW:
            return {"cuts": len(pairs)}
        estimated, found = np.array(pairs, np.float64).T
        one, other = (np.argsort(np.argsort(each)) for each in (estimated, found))
        ratio = float(np.median(found / np.maximum(estimated, 1e-12)))
        rank = float(np.corrcoef(one, other)[0, 1])
        return {"cuts": len(pairs), "rank_correlation": rank, "found_by_estimated": ratio}

    def known(self, structure: str) -> bool:
        return any(each.structure == structure for each in self.tried)

    def _put(self) -> None:
        put_file(msgspec.json.encode(_Kept(self.epochs, self.epoch_s, self.tried)), self.file)
