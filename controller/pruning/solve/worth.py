"""What narrowing a group or dropping a block is expected to lose, in one unit for all: divergence from the dense model.

Importance ranks the units within a group; it says little across groups, and nothing of a block against a channel. So
each group is cut at a few widths, each block is dropped, and the answers are compared with the dense model's, with
BatchNorm statistics of the very batch, because those of the dense model make a cut look worse than it will be
(EagleEye, Li et al., ECCV 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from controller.pruning.graph.structure import Structure
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import first_output, laid_out, quickly
from controller.pruning.recover.distil import distance
from controller.pruning.recover.recalibrate import renorming
from controller.pruning.solve.importance import Importance, most_important

Losing = Callable[[Structure], float]
"""The loss of a structure cut from the present one, by the measure of whoever asks: at once, or once recovered."""

_SHARES = (0.75, 0.5, 0.25)
_BATCH = 128
_LEAN = 0.002  # less than any loss that is more than chance
_DIVERGED = 1e6  # the loss of a cut that does not answer with numbers: finite, as sums of it are compared


@dataclass(frozen=True, slots=True)
class MeasuredWorth:
    """`curves`: root to widths (rising) and the losses measured there (falling to 0); `blocks`: loss of dropping.

    `steps` is how long each cut was recovered. One that is not complete goes on only by the same.
    """

    curves: Mapping[str, tuple[tuple[int, ...], tuple[float, ...]]]
    blocks: Mapping[str, float]
    steps: int = 0

    def covers(self, roots: Collection[str], blocks: Collection[str]) -> bool:
        return (set(self.curves), set(self.blocks)) == (set(roots), set(blocks))

    def begins(self, roots: Collection[str], blocks: Collection[str], steps: int) -> bool:
        """Whether it is a part of what is measured of these by cuts that recover for so many `steps`."""
        return self.steps == steps and set(self.curves) <= set(roots) and set(self.blocks) <= set(blocks)

    def leaning(self) -> MeasuredWorth:
        """The same with a little more for all that goes, more than in proportion. Where nothing was seen to be lost,
        and that is often, a choice then spreads what it takes and takes no more than it has to.
        """
        leant = {
            root: (
                curve[0],
                tuple(loss + _LEAN * (1 - width / curve[0][-1]) ** 2 for width, loss in zip(*curve, strict=True)),
            )
            for root, curve in self.curves.items()
        }
        return replace(self, curves=leant)

    def loss(self, root: str, width: int) -> float:
        """Of a group of this width, on straight lines between the measured ones."""
        widths, losses = self.curves[root]
        return float(np.interp(width, widths, losses))


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
            widths = _widths(len(now.kept[root]), floors[root])
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
            widths = _widths(len(now.kept[root]), floors[root])
            tried = [(sum(_losses(now, root, each[root], widths, losing)), each[root]) for each in rankings]
            _, best[root] = min(tried, key=lambda each: each[0])
            keep(best)
    return best


def declared_worth(importance: Importance) -> MeasuredWorth:
    """Without data: a group loses the importance of what goes, as a share of its own; blocks are not for dropping."""
    return MeasuredWorth({root: _cumulative(values) for root, values in importance.items()}, {})


def losing(cut: Callable[[Structure], nn.Module], present: nn.Module, inputs: Floats, wanted: Floats) -> Losing:
    """How much further than `present` a cut is from the dense model's answers `wanted` for `inputs` `[n, ...]`.

    Raises `ValueError` where `present` itself does not answer with numbers.
    """
    base = _distance(present, inputs, wanted)
    if not math.isfinite(base):
        raise ValueError(
            "the model's own answers are not finite numbers after a brief recovery: nothing ranks its cuts"
        )

    def lost(structure: Structure) -> float:
        further = _distance(cut(structure), inputs, wanted) - base
        return max(0.0, further) if math.isfinite(further) else _DIVERGED

    return lost


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
        losses.append(0.0 if unmissed else losing(_narrowed(now, root, ranking, width)))
    return tuple(reversed(losses))


def _losses(
    now: Structure, root: str, ranking: Sequence[float], widths: Sequence[int], losing: Losing
) -> tuple[float, ...]:
    return tuple(losing(_narrowed(now, root, ranking, width)) for width in widths)


def _narrowed(now: Structure, root: str, ranking: Sequence[float], width: int) -> Structure:
    return Structure({**now.kept, root: most_important(now.kept[root], ranking, width)}, now.dropped)


def _widths(width: int, floor: int) -> tuple[int, ...]:
    """Falling widths to measure, without the present one and down to the floor."""
    wanted = {max(floor, round(width * share)) for share in _SHARES} | {floor}
    return tuple(sorted((each for each in wanted if each < width), reverse=True))


def _curve(widths: Sequence[int], losses: Iterable[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Rising widths with losses that never rise: on so few inputs a narrower group may look better by chance."""
    falling = np.maximum.accumulate(np.fromiter(losses, dtype=np.float64))
    return tuple(widths[::-1]), tuple(float(loss) for loss in falling[::-1])


def _cumulative(values: Sequence[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Widths from 1 to all, and the share of the group's importance that is gone at each: the least go first."""
    total = max(sum(values), 1e-12)
    lost = np.concatenate([[0.0], np.cumsum(sorted(values))])[: len(values)] / total
    return tuple(range(1, len(values) + 1)), tuple(float(each) for each in lost[::-1])


@torch.no_grad()
def _distance(model: nn.Module, inputs: Floats, wanted: Floats) -> float:
    """The recovery's own loss against the dense model's answers, averaged over the inputs."""
    total = 0.0
    with renorming(model, 0.0), quickly():
        for part in _parts(len(inputs)):
            outputs = first_output(model(laid_out(torch.from_numpy(inputs[part])))).float()
            total += float(distance(outputs, torch.from_numpy(wanted[part]))) * len(outputs)
    return total / len(inputs)


def _parts(count: int) -> Iterator[slice]:
    """Batches of `count` inputs, none of a single one where there are more: it has no statistics to normalise by."""
    starts = range(0, max(count - 1, 1), _BATCH)
    return (slice(start, count if start == starts[-1] else start + _BATCH) for start in starts)
