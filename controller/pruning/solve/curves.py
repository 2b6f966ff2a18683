"""What narrowing a group or dropping a block is expected to lose, in one unit for all: the curves that structures are
chosen by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.pruning.solve.importance import Importance

_LEAN = 0.002  # less than any loss that can be told from noise


@dataclass(frozen=True, slots=True)
class WorthCurves:
    """`curves`: root to widths (rising) and the losses there (falling to 0); `blocks`: loss of dropping."""

    curves: Mapping[str, tuple[tuple[int, ...], tuple[float, ...]]]
    blocks: Mapping[str, float]

    def covers(self, roots: Collection[str], blocks: Collection[str]) -> bool:
        return (set(self.curves), set(self.blocks)) == (set(roots), set(blocks))

    def leaning(self) -> WorthCurves:
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

    def scaled(self, factors: Mapping[str, float]) -> WorthCurves:
        """The same with a group's or a block's losses by its factor, 1 where there is none."""

        def by(name: str, losses: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(loss * factors.get(name, 1.0) for loss in losses)

        curves = {root: (widths, by(root, losses)) for root, (widths, losses) in self.curves.items()}
        return WorthCurves(curves, {block: by(block, (loss,))[0] for block, loss in self.blocks.items()})

    def loss(self, root: str, width: int) -> float:
        """Of a group of this width, on straight lines between the known ones."""
        widths, losses = self.curves[root]
        return float(np.interp(width, widths, losses))


def magnitude_worth(importance: Importance) -> WorthCurves:
    """Without data: a group loses the importance of what goes, as a share of its own; blocks are not for dropping."""
    return WorthCurves({root: _cumulative(values) for root, values in importance.items()}, {})


def _cumulative(values: Sequence[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Widths from 1 to all, and the share of the group's importance that is gone at each: the least go first."""
    total = max(sum(values), 1e-12)
    lost = np.concatenate([[0.0], np.cumsum(sorted(values))])[: len(values)] / total
    return tuple(range(1, len(values) + 1)), tuple(float(each) for each in lost[::-1])
