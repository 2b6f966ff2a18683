"""How much the loss would change, to first order, if a unit were gone."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.estimate.scores import relative, scores
from controller.pruning.graph.structure import ChannelGroup
from controller.pruning.model.data import Split
from controller.pruning.model.outputs import first_output
from controller.pruning.solve.importance import Importance

_BATCHES, _BATCH = 16, 64


def taylor(model: nn.Module, groups: tuple[ChannelGroup, ...], split: Split, seed: int) -> Importance:
    """The squared sum of weight times gradient over all that a unit has, averaged over batches of the labelled `split`.

    First order (Molchanov et al., CVPR 2019).
    """
    assert split.labels is not None
    layers = dict(model.named_modules())
    dice = torch.Generator().manual_seed(seed)
    totals = {group.root: torch.zeros(group.channels) for group in groups}
    inputs, labels = torch.from_numpy(split.inputs), torch.from_numpy(split.labels)
    model.eval()
    for _ in range(_BATCHES):
        chosen = torch.randint(len(inputs), (_BATCH,), generator=dice)
        model.zero_grad()
        torch.autograd.backward(F.cross_entropy(first_output(model(inputs[chosen])), labels[chosen]))
        for group in groups:
            totals[group.root] += scores(layers, group, _first_order) ** 2
    model.zero_grad()
    return {root: relative(total) for root, total in totals.items()}


def _first_order(parameter: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.detach() * parameter.grad
