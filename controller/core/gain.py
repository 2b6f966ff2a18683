"""What a prune is modelled to win over all the devices that wait for something better: the most goes first."""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.nouns.job import PruneJob

_LOOKED_AT = 64
"""Of more wishes so many are weighed, spread evenly over what they would win themselves: a turn must stay short."""


def gains(wishes: Sequence[PruneJob]) -> dict[str, float]:
    """By the id of a prune what it is modelled to win, summed over the wishes that it would serve too.

    It serves a wish whose caps are looser in everything. Counted are those that run the same variant now: there its win
    is as large. Only those that were weighed are named.
    """
    weighed = _spread([each for each in wishes if each.prediction is not None])
    return {each.id: sum(_win(each, other) for other in wishes) for each in weighed}


def _spread(wishes: list[PruneJob]) -> list[PruneJob]:
    if len(wishes) <= _LOOKED_AT:
        return wishes
    ranked = sorted(wishes, key=lambda each: (_own(each), each.id))
    return [ranked[round(at * (len(ranked) - 1) / (_LOOKED_AT - 1))] for at in range(_LOOKED_AT)]


def _own(job: PruneJob) -> float:
    return 0.0 if job.prediction is None else max(job.prediction.win, 0.0)


def _win(job: PruneJob, other: PruneJob) -> float:
    mine, its = job.prediction, other.prediction
    same = job.model == other.model and mine is not None and its is not None and mine.against == its.against
    return _own(job) if same and other.caps.covers(job.caps) else 0.0
