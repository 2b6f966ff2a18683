"""In which steps a group's width should be chosen: the finest at which the runtime wastes little, from its own times.

A stair of 16 charges a width of 20 as 32, and a width of 21 may fall off the fast kernels. How much that is depends on
the kernels that a group goes through, so it is read off the latency of the whole model as a function of that width.
Groups are judged together, as the time of a light one is mostly noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from controller.pruning.cost.model import CostModel
from controller.pruning.cost.sizes import Floats

STEPS = (1, 2, 4, 8, 16)
_WASTE = 0.1  # of what a block of the largest step costs: the most that widths are charged too much on average


def grains(costs: CostModel, widths: Mapping[str, int]) -> dict[str, int]:
    """For each root the step of its widths; `widths` are the dense ones, in units.

    Groups of fewer units than two of the largest step (attention heads) are judged by themselves.
    """
    curves = {root: _curve(costs, widths, root) for root in costs.roots}
    wide = {root: curve for root, curve in curves.items() if largest(curve) == STEPS[-1]}
    common = step(wide.values(), STEPS[-1])
    return {root: common if root in wide else step([curve], largest(curve)) for root, curve in curves.items()}


def largest(seconds: Floats) -> int:
    """The largest of `STEPS` that leaves at least two widths."""
    return max(each for each in STEPS if each == 1 or 2 * each < len(seconds))


def step(curves: Iterable[Floats], block: int) -> int:
    """The finest of `STEPS` at which the curves together stay close to the line through the multiples of `block`.

    `curve[width]` is the time at each width, up to a constant; `curve[0]` is not used. The unit of waste is what a
    whole `block` more costs, summed over the curves.
    """
    curves = list(curves)
    climb = sum(abs(curve[_whole(curve, block)[-1]] - curve[block]) / len(_whole(curve, block)) for curve in curves)
    for size in (each for each in STEPS if each < block):
        if sum(_excess(curve, size, block) for curve in curves) <= _WASTE * climb:
            return size
    return block


def _whole(curve: Floats, block: int) -> NDArray[np.intp]:
    return np.arange(block, len(curve), block, dtype=np.intp)


def _excess(curve: Floats, size: int, block: int) -> float:
    """How much more than the line the widths of `size` take that are no whole blocks, on average."""
    whole = _whole(curve, block)
    at = np.arange(block, whole[-1] + 1, size)
    between = at[at % block != 0]
    if not len(between):
        return 0.0
    return float(np.mean(curve[between] - np.interp(between, whole, curve[whole])))


def _curve(costs: CostModel, widths: Mapping[str, int], root: str) -> Floats:
    change = costs.marginals(widths, (), {root: range(1, widths[root] + 1)})[root]
    return np.array([0.0, *change.latency_s])
