"""Giving a pruned model its accuracy back: BatchNorm statistics first, then distillation from the dense model."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.core.types import Recovery
from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Data, Floats, Split
from controller.pruning.model.outputs import all_outputs, laid_out, quick_answers, quick_outputs, quickly
from controller.pruning.recover.budget import Clock
from controller.pruning.recover.recalibrate import batches, recalibrate

_BATCH = 64
TEMPERATURE = 3.0
_TEACHER_SHARE = 0.7
_RATE, _DECAY = 2e-3, 1e-2
_AVERAGED_STEPS = 200  # the memory of the weights' average, once there have been many more
_CHECKS = 4  # at least so often is the select split asked during a budget
_TELL_EVERY_S = 5.0
# Training goes on until half the budget has brought nothing: at a high rate a score may rest for long before it rises.
_PATIENCE_SHARE, _PATIENCE_CHECKS = 0.5, 3


class Teacher(NamedTuple):
    """The dense model's outputs for the train split, by number, and its answers for the select split."""

    train: Mapping[int, Floats]
    select: Floats

    @staticmethod
    def of(module: nn.Module, data: Data) -> Teacher:
        return Teacher(quick_outputs(module, data.train.inputs), quick_answers(module, data.select.inputs))


@dataclass(frozen=True, slots=True)
class Recovered:
    """`module` at its best check, how long it trained, and its score on the select split then.

    The score is the share right, or without labels the distillation loss below zero: higher is better either way.
    `onward` are the weights as the last step left them, which are worse and train better.
    """

    module: nn.Module
    onward: nn.Module
    epochs: float
    cpu_s: float
    score: float


def recover(
    model: nn.Module,
    data: Data,
    teacher: Teacher,
    budget: Recovery,
    seed: int,
    progress: Callable[[float, str], None],
) -> Recovered:
    """Train `model` on the train split to answer as the dense model does, until the budget or the patience ends.

    Knowledge distillation (Hinton et al., 2015): KL at temperature 3, plus cross-entropy where there are labels; where
    the outputs are no classes, and for outputs beside the first, mean square error. The learning rate stays, and what
    is judged and shipped is the weights' running average (B. Polyak and A. Juditsky, 1992): as good as after a rate
    that falls to nothing, and the training may go on from any step of it, through further cuts too.
    """
    torch.manual_seed(seed)
    course = _Course(model, data, teacher, Clock.start(budget), torch.Generator().manual_seed(seed))
    (best, best_score), risen_at, checks = course.judged(), 0.0, 0
    while (used := course.used) < 1 and not (checks >= _PATIENCE_CHECKS and used - risen_at >= _PATIENCE_SHARE):
        progress(used, course.told())
        course.train(lambda: progress(course.used, course.told()))
        averaged, score = course.judged()
        risen_at, checks = (course.used, 0) if score > best_score else (risen_at, checks + 1)
        if score >= best_score:
            best, best_score = averaged, score
    for each in (best, model):
        each.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's own stub leaves it out
    return Recovered(best.eval(), model.eval(), course.epochs, course.clock.cpu_s, best_score)


class _Course:
    """One model's training: `train` goes on to the next check."""

    def __init__(self, model: nn.Module, data: Data, teacher: Teacher, clock: Clock, dice: torch.Generator) -> None:
        self.clock, self.dice, self._done = clock, dice, 0
        self._model, self._data, self._teacher = model, data, teacher
        if data.train.inputs.ndim == 4 and all(each.dim() < 5 for each in model.state_dict().values()):
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._weights: list[torch.Tensor] = list(model.parameters())
        self._average = [weight.detach().clone() for weight in self._weights]
        self._optimiser = torch.optim.AdamW(self._weights, lr=_RATE, weight_decay=_DECAY)
        self._steps = max(1, len(data.train.inputs) // _BATCH)
        self._batches = iter(batches(len(data.train.inputs), _BATCH, dice))

    @property
    def epochs(self) -> float:
        return self._done / self._steps

    @property
    def used(self) -> float:
        return self.clock.used(self.epochs)

    def told(self) -> str:
        left_s = self.clock.left_s(self.used)
        of = "" if self.clock.budget.epochs is None else f" of {self.clock.budget.epochs:g}"
        return f"recovering, epoch {int(self.epochs) + 1}{of}" + ("" if left_s is None else f", {left_s:.0f} s left")

    def train(self, tell: Callable[[], None]) -> None:
        """To the next check: an epoch, or a part of the budget where it is only a few epochs long.

        Where that takes long, `tell` is called on the way.
        """
        self.train_on(self._steps, min(self.used + 1 / _CHECKS, 1.0), tell)

    def train_on(self, steps: int, until: float = 1.0, tell: Callable[[], None] = lambda: None) -> None:
        """`steps` batches, or fewer where the share `until` of the budget is used before."""
        told_s = time.monotonic()
        self._model.train()
        for _ in range(steps):
            if self.used >= until:
                break
            self._step(self._next())
            self._done += 1
            self._follow()
            if time.monotonic() - told_s >= _TELL_EVERY_S:
                tell()
                told_s = time.monotonic()
        self._model.eval()

    @torch.no_grad()
    def averaged(self) -> nn.Module:
        """A copy with the weights' average."""
        model = copy.deepcopy(self._model)
        for weight, average in zip(model.parameters(), self._average, strict=True):
            weight.copy_(average)
        return model

    def judged(self) -> tuple[nn.Module, float]:
        """The average with BatchNorm statistics of its own, and its score."""
        model = self.averaged()
        recalibrate(model, self._data.train.inputs, self.dice)
        return model, self._score(model)

    @torch.no_grad()
    def _follow(self) -> None:
        """The last tenth of the steps so far weigh most: the first ones are of a model that had just been cut."""
        torch._foreach_lerp_(self._average, self._weights, max(1 / _AVERAGED_STEPS, 10 / (10 + self._done)))

    def _score(self, model: nn.Module) -> float:
        outputs, split = quick_answers(model, self._data.select.inputs), self._data.select
        if split.labels is not None:
            return classify(outputs, split.labels).share
        return -float(distance(torch.from_numpy(outputs), torch.from_numpy(self._teacher.select)))

    def _next(self) -> torch.Tensor:
        chosen = next(self._batches, None)
        if chosen is None:
            self._batches = iter(batches(len(self._data.train.inputs), _BATCH, self.dice))
            chosen = next(self._batches)
        return chosen

    def _step(self, chosen: torch.Tensor) -> None:
        inputs, labels = _chosen(self._data.train, chosen)
        with quickly():
            made = all_outputs(self._model(inputs))
        taught = {number: torch.from_numpy(wanted)[chosen] for number, wanted in self._teacher.train.items()}
        loss = _loss(made[0].float(), taught.pop(0), labels)
        loss = sum((F.mse_loss(made[number].float(), wanted) for number, wanted in taught.items()), loss)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()


def _chosen(split: Split, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    labels = None if split.labels is None else torch.from_numpy(split.labels)[chosen]
    return laid_out(torch.from_numpy(split.inputs)[chosen]), labels


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


def _loss(output: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
    taught = distance(output, target)
    if labels is None or not are_classes(output):
        return taught
    return _TEACHER_SHARE * taught + (1 - _TEACHER_SHARE) * F.cross_entropy(output, labels)
