"""Inputs to try a model with."""

from __future__ import annotations

import numpy as np

from controller.pruning.model.data import Floats
from controller.pruning.model.load import LoadedModel


def examples(model: LoadedModel, count: int, seed: int) -> Floats:
    """`count` inputs `[count, ...]`: of the select and gate splits, and random ones where these are too few."""
    random = np.random.default_rng(seed).standard_normal((count, *model.sample_shape)).astype(np.float32)
    if model.data is None:
        return random
    real = np.concatenate([model.data.select.inputs[:count], model.data.gate.inputs[:count]])[:count]
    return np.concatenate([real, random[len(real) :]])
