"""What narrowing a group or dropping a block loses, measured: divergence from the dense model's answers.

Importance ranks the units within a group; it says little across groups, and nothing of a block against a channel. So
each group is cut at a few widths, each block is dropped, and `losing` says what that loses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from controller.pruning.estimate.narrowed import Losing, narrowed, tried_widths
from controller.pruning.graph.structure import Structure
from controller.pruning.solve.curves import MeasuredWorth
from controller.pruning.solve.importance import Importance

_NOTHING = MeasuredWorth({}, {})


def measure_worth(
    now: Structure,
    importance: Importance,
    blocks: Sequence[str],
    floors: Mapping[str, int],
    losing: Losing,
    progress: Callable[[float], None],
    known: MeasuredWorth = _NOTHING,
    keep: Callable[[MeasuredWorth], None] = lambda _: None,
) -> MeasuredWorth:
    """The worth of everything that a model of structure `now` may still lose.

    `keep` is given what is known after each group and each block, and `known` is such a one: it is not measured again.
    """
    steps, worth = len(importance) + len(blocks), known
    for number, (root, ranking) in enumerate(importance.items()):
        if root not in known.curves:
            widths = tried_widths(len(now.kept[root]), floors[root])
            told = _told(progress, number, steps, len(widths))
            losses = _from_the_narrowest(now, root, ranking, widths, losing, told)
            curve = _curve((len(now.kept[root]), *widths), (0.0, *losses))
            worth = replace(worth, curves={**worth.curves, root: curve})
            keep(worth)
    for number, block in enumerate(blocks, len(importance)):
        if block not in known.blocks:
            progress(number / steps)
            dropping = losing(Structure(now.kept, tuple(sorted((*now.dropped, block)))))
            worth = replace(worth, blocks={**worth.blocks, block: dropping})
            keep(worth)
    return worth


def _told(progress: Callable[[float], None], number: int, steps: int, parts: int) -> Callable[[int], None]:
    """Tells how many of its parts the step of this number has done, in shares of all steps."""
    return lambda done: progress((number + done / max(parts, 1)) / steps)


def _from_the_narrowest(
    now: Structure,
    root: str,
    ranking: Sequence[float],
    widths: Sequence[int],
    losing: Losing,
    told: Callable[[int], None],
) -> tuple[float, ...]:
    """The losses at the falling `widths`. What a group does not miss when narrow is not asked of it when wide."""
    losses = list[float]()
    for number, width in enumerate(reversed(widths)):
        told(number)
        unmissed = bool(losses) and losses[-1] == 0
        losses.append(0.0 if unmissed else losing(narrowed(now, root, ranking, width)))
    return tuple(reversed(losses))


def _curve(widths: Sequence[int], losses: Iterable[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Rising widths with losses that never rise: on so few inputs a narrower group may look better by chance."""
    falling = np.maximum.accumulate(np.fromiter(losses, dtype=np.float64))
    return tuple(widths[::-1]), tuple(float(loss) for loss in falling[::-1])
