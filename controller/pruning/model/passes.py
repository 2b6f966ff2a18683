"""How long a model takes for a sample in torch, forth and back, as in training: what other work is told in."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch

from controller.pruning.model.examples import examples
from controller.pruning.model.load import LoadedModel
from controller.pruning.model.outputs import all_outputs, laid_out, lay_out, quickly

_WORK_FLOPS = 1e10
_FEWEST, _MOST = 4, 64


def pass_seconds(model: LoadedModel, flops: int, seed: int) -> float:
    """Seconds a sample, of the second of two batches; the larger the model of `flops`, the smaller they are."""
    count = int(np.clip(_WORK_FLOPS / flops, _FEWEST, _MOST))
    inputs = laid_out(torch.from_numpy(examples(model, count, seed)))
    module = copy.deepcopy(model.module)
    lay_out(module, inputs.ndim)
    for _ in range(2):
        began_s = time.perf_counter()
        with quickly():
            answer = all_outputs(module(inputs))[0]
        torch.autograd.backward(answer.float().square().mean())
    return (time.perf_counter() - began_s) / count
