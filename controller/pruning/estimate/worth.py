"""From contributions to what a choice needs: a ranking of each group's units, and what narrowing and dropping lose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from controller.pruning.estimate.products import Products, contributions
from controller.pruning.graph.structure import ChannelGroup
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import taught_outputs
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.solve.elimination import Elimination, eliminate
from controller.pruning.solve.importance import Importance

_WORK_FLOPS = 2e11  # one pass over the inputs, of about six: as many inputs as this buys, within bounds
_LEAST_INPUTS, _MOST_INPUTS = 64, 512
_RECOVERED = 0.15
"""Of what a cut of the residual network loses at once, so much is left after some two dozen steps of recovery: the
median over 23 cuts, half of which lie between 0.11 and 0.19. It makes losses comparable with a precision's own."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of the groups and blocks of one model."""

    importance: Importance
    curves: WorthCurves


def estimate(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    blocks: Sequence[str],
    inputs: Floats,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
) -> Estimate:
    """What the units of `groups` and the residual `blocks` are worth to `model`, by its answers for `inputs`
    `[n, ...]`, in the recovery's own loss. The model's own parameters tell its units: the groups are numbered so.
    """
    found = contributions(model, groups, blocks, taught_outputs(model, inputs), inputs, seed, progress)
    gone = {root: eliminate(rows) for root, rows in found.groups.items()}
    return Estimate({root: each.ranking for root, each in gone.items()}, _curves(gone, found))


def some(inputs: Floats, flops: int, seed: int) -> Floats:
    """As many inputs as the work allows of a model of so many `flops`: the same ones every time, and well mixed."""
    count = int(np.clip(_WORK_FLOPS / flops, _LEAST_INPUTS, _MOST_INPUTS))
    return inputs[np.random.default_rng(seed).permutation(len(inputs))[:count]]


def _curves(gone: dict[str, Elimination], found: Products) -> WorthCurves:
    return WorthCurves(
        {root: each.curve(_RECOVERED) for root, each in gone.items()},
        {block: float((rows**2).mean()) / 2 * _RECOVERED for block, rows in found.blocks.items()},
    )
