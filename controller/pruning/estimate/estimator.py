"""What an estimator is: it tells what units and blocks are worth to a model, from a few passes over some inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from controller.pruning.graph.structure import ChannelGroup
from controller.pruning.model.data import Floats
from controller.pruning.solve.curves import WorthCurves
from controller.pruning.solve.importance import Importance

RECOVERED = 0.15
"""Recovery leaves this share of what a cut loses at once: the median of 23 cuts of the residual network after some two
dozen steps, half of which lie between 0.11 and 0.19. It makes losses comparable with what a precision loses."""

_WORK_FLOPS = 2e11  # of one pass over the inputs: as many as this buys, within bounds
_LEAST_INPUTS, _MOST_INPUTS = 64, 512


@dataclass(frozen=True, slots=True)
class Estimate:
    """In which order the units of each group go, and what is lost at each width and by dropping each block."""

    importance: Importance
    curves: WorthCurves


class Estimator(Protocol):
    """`groups` are numbered as in `model` (see `renumbered`), not as in the dense model; `inputs` are `[n, ...]`.

    `progress` hears the share that is done. The same seed and inputs give the same estimate. Losses are in the unit of
    the recovery's own loss, and what is left of them after it.
    """

    def __call__(
        self,
        model: nn.Module,
        groups: Sequence[ChannelGroup],
        blocks: Sequence[str],
        inputs: Floats,
        seed: int,
        progress: Callable[[float], None] = ...,
    ) -> Estimate: ...


def sample_count(inputs: Floats, flops: int) -> int:
    """How many inputs the work allows for a model of so many `flops`, of those there are."""
    return min(len(inputs), int(np.clip(_WORK_FLOPS / flops, _LEAST_INPUTS, _MOST_INPUTS)))


def sampled(inputs: Floats, flops: int, seed: int) -> Floats:
    """As many inputs as the work allows for a model of so many `flops`: the same ones every time, and well mixed."""
    return inputs[np.random.default_rng(seed).permutation(len(inputs))[: sample_count(inputs, flops)]]
