"""How the units of a group rank: by several signs, of which each group takes the one that loses less.

Another sign is a file of its own in this folder, and a line in `RANKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from torch import nn

from controller.pruning.estimate.magnitude import magnitude
from controller.pruning.estimate.narrowed import Losing, narrowed, tried_widths
from controller.pruning.estimate.taylor import taylor
from controller.pruning.graph.structure import ChannelGroup, Structure
from controller.pruning.model.data import Data
from controller.pruning.solve.importance import Importance

Groups = tuple[ChannelGroup, ...]
Ranker = Callable[[nn.Module, Groups, Data, int], Importance | None]
"""Ranks the units of a model's own groups by its data and a seed; None where these data do not allow it."""

RANKERS: tuple[Ranker, ...] = (
    lambda model, groups, _data, _seed: magnitude(model, groups),
    lambda model, groups, data, seed: None if data.train.labels is None else taylor(model, groups, data.train, seed),
)


def rankings(model: nn.Module, groups: Groups, data: Data, seed: int) -> list[Importance]:
    """By each sign that these data allow."""
    found = (ranker(model, groups, data, seed) for ranker in RANKERS)
    return [ranks for ranks in found if ranks is not None]


def best_importance(
    now: Structure,
    rankings: Sequence[Importance],
    floors: Mapping[str, int],
    losing: Losing,
    progress: Callable[[float], None],
    known: Importance = MappingProxyType({}),
    keep: Callable[[Importance], None] = lambda _: None,
) -> Importance:
    """For each group the one of the `rankings` by which it loses less: none is best in every network.

    `keep` is given what is known after each group, and `known` is such a one.
    """
    if len(rankings) == 1:
        return rankings[0]
    best = dict(known)
    for number, root in enumerate(rankings[0]):
        if root not in best:
            progress(number / len(rankings[0]))
            widths = tried_widths(len(now.kept[root]), floors[root])
            tried = [(sum(_losses(now, root, each[root], widths, losing)), each[root]) for each in rankings]
            _, best[root] = min(tried, key=lambda each: each[0])
            keep(best)
    return best


def _losses(
    now: Structure, root: str, ranking: Sequence[float], widths: Sequence[int], losing: Losing
) -> tuple[float, ...]:
    return tuple(losing(narrowed(now, root, ranking, width)) for width in widths)
