"""What recovery makes smaller: how far answers are from the dense model's and from the labels."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Floats, Split

TEMPERATURE = 3.0
_TEACHER_SHARE = 0.7


def are_classes(output: torch.Tensor) -> bool:
    """Whether `output` `[n, ...]` is taken for the scores of classes."""
    return output.ndim == 2 and output.shape[1] >= 2


def distance(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How far `output` `[n, ...]` is from the dense model's: KL at temperature 3, or mean square where no classes."""
    if not are_classes(output):
        return F.mse_loss(output, target)
    soft = F.kl_div(
        F.log_softmax(output / TEMPERATURE, dim=1),
        F.log_softmax(target / TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return soft * TEMPERATURE**2


def apart(outputs: Floats, taught: Floats) -> float:
    """The `distance` of outputs `[n, ...]` from the dense model's own."""
    return float(distance(torch.from_numpy(outputs), torch.from_numpy(taught)))


def score(outputs: Floats, split: Split, taught: Floats) -> float:
    """Of outputs for the split's inputs: the share right, or without labels how far apart from `taught`, below zero.
    Higher is better either way."""
    return -apart(outputs, taught) if split.labels is None else classify(outputs, split.labels).share


def loss(output: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
    """Seven tenths of what the teacher's `target` says, three tenths of what the `labels` say, where there are any."""
    taught = distance(output, target)
    if labels is None or not are_classes(output):
        return taught
    return _TEACHER_SHARE * taught + (1 - _TEACHER_SHARE) * F.cross_entropy(output, labels)
