"""How much work goes into finding out what a model's parts are worth: less where it is slow to run and to train."""

from __future__ import annotations

import numpy as np

from controller.pruning.model.data import Floats

_WORTH_FLOPS = 2e10  # of the inputs that each candidate loss is measured on: as many as this buys, within bounds
_LEAST_INPUTS, _MOST_INPUTS = 128, 512
_BRIEF_FLOPS = 5e9  # of a brief recovery, per sample of its batches
_MOST_STEPS, _STEPS_IN_ALL = 26, 1500  # of one brief recovery, of those of all cuts
_CUTS = 4  # of a group, about


def some(inputs: Floats, flops: int, seed: int, share: float = 1.0) -> Floats:
    """As many inputs as their work allows, or a `share` of these: the same ones every time, and well mixed.

    In their own order neighbours are alike, and a batch of them has statistics that no other has.
    """
    count = int(np.clip(share * _WORTH_FLOPS / flops, _LEAST_INPUTS, share * _MOST_INPUTS))
    return inputs[np.random.default_rng(seed).permutation(len(inputs))[:count]]


def brief_steps(flops: int, groups: int, blocks: int) -> int:
    """As many training steps as their work and the number of cuts allow: none for a network that is slow to train."""
    return int(min(_BRIEF_FLOPS / flops, _STEPS_IN_ALL / max(_CUTS * groups + blocks, 1), _MOST_STEPS))
