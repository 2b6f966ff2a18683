"""How much further a cut is from the dense model's answers.

BatchNorm statistics are of the very batch, because those of the dense model make a cut look worse than it will be
(EagleEye, Li et al., ECCV 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import nn

from controller.pruning.estimate.narrowed import Losing
from controller.pruning.graph.structure import Structure
from controller.pruning.model.data import Floats
from controller.pruning.model.outputs import first_output, laid_out, quickly
from controller.pruning.recover.distil import distance
from controller.pruning.recover.recalibrate import renorming

_BATCH = 128
_DIVERGED = 1e6  # the loss of a cut that does not answer with numbers: finite, as sums of it are compared


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
