"""What a prune is modelled to win over all the devices that wait for something better: the most goes first."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.nouns.job import Job, prunes
from controller.core.nouns.work import Prune

_Wish = tuple[Job, Prune]

_LOOKED_AT = 64
"""Of more wishes so many are weighed, spread evenly over what they would win themselves: a turn must stay short."""


def gains(wishes: Iterable[Job]) -> dict[str, float]:
    """By the id of a prune what it is modelled to win, summed over the wishes that it would serve too.

    It serves a wish whose caps are looser in everything. Counted are those that run the same variant now: there its win
    is as large. Only those that were weighed are named.
    """
    known = prunes(wishes)
    weighed = _spread([(job, prune) for job, prune in known if prune.prediction is not None])
    return {wish[0].id: sum(_win(wish, other) for other in known) for wish in weighed}


def _spread(wishes: list[_Wish]) -> list[_Wish]:
    if len(wishes) <= _LOOKED_AT:
        return wishes
    ranked = sorted(wishes, key=lambda wish: (_own(wish[1]), wish[0].id))
    return [ranked[round(at * (len(ranked) - 1) / (_LOOKED_AT - 1))] for at in range(_LOOKED_AT)]


def _own(prune: Prune) -> float:
    return 0.0 if prune.prediction is None else max(prune.prediction.win, 0.0)


def _win(wish: _Wish, other: _Wish) -> float:
    (job, prune), (its_job, its_prune) = wish, other
    mine, its = prune.prediction, its_prune.prediction
    same = job.model == its_job.model and mine is not None and its is not None and mine.against == its.against
    return _own(prune) if same and its_prune.caps.covers(prune.caps) else 0.0
