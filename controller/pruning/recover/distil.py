"""Giving a pruned model its accuracy back: BatchNorm statistics first, then distillation from the dense model."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Data, Floats, Split
from controller.pruning.model.outputs import answers, first_output
from controller.pruning.spec import Recovery

_BATCH = 64
_RECALIBRATION_SAMPLES = 1024
_TEMPERATURE = 3.0
_TEACHER_SHARE = 0.7
_RATE, _DECAY = 2e-3, 1e-2
_BATCH_NORM = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True, slots=True)
class Recovered:
    """`module` at its best epoch, the share that it gets right of the select split then, and how long it trained.

    Without labels the share is 0.
    """

    module: nn.Module
    epochs: int
    cpu_s: float
    right: float


def recover(
    model: nn.Module,
    data: Data,
    teacher: Floats,
    budget: Recovery,
    seed: int,
    progress: Callable[[float, str], None],
) -> Recovered:
    """Train `model` on the train split to answer as `teacher` (the dense model's outputs for it) does.

    Knowledge distillation (Hinton et al., 2015): KL at temperature 3, plus cross-entropy where there are labels; where
    the outputs are no classes, mean square error. The learning rate follows half a cosine over the budget.
    """
    began_s = time.process_time()
    dice = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    recalibrate(model, data.train, dice)
    best, best_score = copy.deepcopy(model), _score(model, data.select)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY)
    epochs = 0
    while (share := _share_used(budget, began_s, epochs, 0.0)) < 1:
        progress(share, f"recovering, epoch {epochs + 1}")
        _train_epoch(model, optimiser, data.train, teacher, dice, partial(_share_used, budget, began_s, epochs))
        epochs += 1
        recalibrate(model, data.train, dice)
        score = _score(model, data.select)
        if score >= best_score:
            best, best_score = copy.deepcopy(model), score
    return Recovered(best.eval(), epochs, time.process_time() - began_s, best_score)


@torch.no_grad()
def recalibrate(model: nn.Module, split: Split, dice: torch.Generator) -> None:
    """Replace every BatchNorm's running statistics by those of about a thousand inputs, every batch alike."""
    norms = [layer for layer in model.modules() if isinstance(layer, _BATCH_NORM) and layer.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for number, chosen in enumerate(_batches(len(split.inputs), dice)):
        if number * _BATCH >= _RECALIBRATION_SAMPLES:
            break
        model(torch.from_numpy(split.inputs)[chosen])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def _share_used(budget: Recovery, began_s: float, epochs: int, done: float) -> float:
    if budget.epochs is not None:
        return min(1.0, (epochs + done) / budget.epochs) if budget.epochs else 1.0
    assert budget.cpu_s is not None
    return min(1.0, (time.process_time() - began_s) / budget.cpu_s)


def _train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    split: Split,
    teacher: Floats,
    dice: torch.Generator,
    share_used: Callable[[float], float],
) -> None:
    model.train()
    inputs, targets = torch.from_numpy(split.inputs), torch.from_numpy(teacher)
    labels = None if split.labels is None else torch.from_numpy(split.labels)
    steps = max(1, len(inputs) // _BATCH)
    for step, chosen in enumerate(_batches(len(inputs), dice)):
        share = share_used(step / steps)
        if share >= 1:
            return
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (0.5 + 0.5 * math.cos(math.pi * share))
        output = first_output(model(inputs[chosen]))
        loss = _loss(output, targets[chosen], None if labels is None else labels[chosen])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()


def _loss(output: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
    if output.ndim != 2 or output.shape[1] < 2:
        return F.mse_loss(output, target)
    soft = F.kl_div(
        F.log_softmax(output / _TEMPERATURE, dim=1),
        F.log_softmax(target / _TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    scaled = soft * _TEMPERATURE**2
    if labels is None:
        return scaled
    return _TEACHER_SHARE * scaled + (1 - _TEACHER_SHARE) * F.cross_entropy(output, labels)


def _score(model: nn.Module, split: Split) -> float:
    """Higher is better; without labels every epoch scores the same, so that the last one is taken."""
    return 0.0 if split.labels is None else classify(answers(model, split.inputs), split.labels).share


def _batches(count: int, dice: torch.Generator) -> Iterator[torch.Tensor]:
    """Shuffled full batches; a last smaller one would bend the BatchNorm statistics."""
    order = torch.randperm(count, generator=dice)
    if count < _BATCH:
        return iter((order,))
    return (order[start : start + _BATCH] for start in range(0, count - _BATCH + 1, _BATCH))
