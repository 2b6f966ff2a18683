"""Running a model over many inputs; of several outputs the first one is the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from controller.pruning.model.data import Floats

_BATCH = 128


def first_output(output: Any) -> torch.Tensor:
    """The tensor in what a model returned: itself, or the first of a tuple, list or dict."""
    if isinstance(output, dict):
        output = next(iter(output.values()))
    if isinstance(output, tuple | list):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"the model returns {type(output).__name__}, expected a tensor or a tuple of them")
    return output


@torch.no_grad()
def answers(model: nn.Module, inputs: Floats) -> Floats:
    """The model's first output for each of `inputs` `[n, ...]`, in eval mode: `[n, ...]`."""
    model.eval()
    starts = range(0, len(inputs), _BATCH)
    batches = (torch.from_numpy(inputs[start : start + _BATCH]) for start in starts)
    return np.concatenate([first_output(model(batch)).numpy() for batch in batches])
