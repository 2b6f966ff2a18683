"""One recovery on its way: the weights, their average, the best so far, and all that it takes to go on later."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.core.nouns.model import Recovery
from controller.pruning.model.data import Data, Floats, Split
from controller.pruning.model.outputs import all_outputs, laid_out, lay_out, quick_answers, quick_outputs, quickly
from controller.pruning.recover.batches import Batches
from controller.pruning.recover.budget import Clock
from controller.pruning.recover.keep import Keep, Progressed
from controller.pruning.recover.loss import loss as loss_of
from controller.pruning.recover.loss import score
from controller.pruning.recover.recalibrate import recalibrate

_BATCH = 64
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


class Course:
    """One model's training: `train` goes on to the next check, which `check` is."""

    def __init__(self, model: nn.Module, data: Data, teacher: Teacher, budget: Recovery, dice: torch.Generator) -> None:
        self.clock, self.dice, self._done = Clock.start(budget), dice, 0
        self._model, self._data, self._teacher = model, data, teacher
        lay_out(model, data.train.inputs.ndim)
        self._weights: list[torch.Tensor] = list(model.parameters())
        self._average = [weight.detach().clone() for weight in self._weights]
        self._optimiser = torch.optim.AdamW(self._weights, lr=_RATE, weight_decay=_DECAY)
        self._batches = Batches.shuffled(len(data.train.inputs), _BATCH, dice)
        self.best, self.best_score, self._risen_at, self._checks = model, -math.inf, 0.0, 0

    @property
    def ended(self) -> bool:
        """The budget is used, or a good part of it brought nothing."""
        return self.used >= 1 or (self._checks >= _PATIENCE_CHECKS and self.used - self._risen_at >= _PATIENCE_SHARE)

    def check(self) -> None:
        """Judge the average, and remember it where no earlier one was better."""
        averaged, now = self.judged()
        self._risen_at, self._checks = (self.used, 0) if now > self.best_score else (self._risen_at, self._checks + 1)
        if self.best is self._model or now >= self.best_score:
            self.best, self.best_score = averaged, now

    def put(self, keep: Keep) -> None:
        progressed = Progressed(
            done=self._done,
            at=self._batches.at,
            best_score=self.best_score,
            risen_at=self._risen_at,
            checks=self._checks,
            cpu_s=self.clock.cpu_s,
        )
        keep.put(progressed, self._tensors())

    def resumed(self, keep: Keep) -> bool:
        """Take up what is kept; False where that is nothing, or of another model."""
        found = keep.get()
        if found is None:
            return False
        progressed, kept = found
        here = self._tensors()
        if kept.keys() != here.keys() or any(kept[name].shape != each.shape for name, each in here.items()):
            return False
        self._take_up(progressed, kept)
        return True

    @torch.no_grad()
    def _take_up(self, progressed: Progressed, kept: dict[str, torch.Tensor]) -> None:
        self.best = copy.deepcopy(self._model)
        for module, part in ((self._model, "model"), (self.best, "best")):
            module.load_state_dict(_of(kept, part))
        for name, average in zip(_names(self._model), self._average, strict=True):
            average.copy_(kept[f"average.{name}"])
        for name, weight in zip(_names(self._model), self._weights, strict=True):
            if kept[f"step.{name}"]:
                here = _no_moments(weight)
                self._optimiser.state[weight] = {key: each.copy_(kept[f"{key}.{name}"]) for key, each in here.items()}
        self._batches.order, self._batches.at = kept["order"], progressed.at
        self.dice.set_state(kept["dice"])
        torch.set_rng_state(kept["random"])
        self._done, self.best_score = progressed.done, progressed.best_score
        self._risen_at, self._checks = progressed.risen_at, progressed.checks
        self.clock = Clock.start(self.clock.budget, progressed.cpu_s)

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Weights as they are, averaged and at their best; the optimiser's moments; the dice and their order."""
        found = {f"model.{name}": each for name, each in self._model.state_dict().items()}
        found |= {f"best.{name}": each for name, each in self.best.state_dict().items()}
        for name, weight, average in zip(_names(self._model), self._weights, self._average, strict=True):
            found[f"average.{name}"] = average
            moments = self._optimiser.state.get(weight) or _no_moments(weight)
            found |= {f"{key}.{name}": each for key, each in moments.items()}
        return found | {
            "order": self._batches.order,
            "dice": self.dice.get_state(),
            "random": torch.get_rng_state(),
        }

    @property
    def epochs(self) -> float:
        return self._done / self._batches.an_epoch

    @property
    def used(self) -> float:
        return self.clock.used(self.epochs)

    def told(self) -> str:
        of = "" if self.clock.budget.epochs is None else f" of {self.clock.budget.epochs:g}"
        return f"epoch {int(self.epochs) + 1}{of}"

    def train(self, tell: Callable[[], None]) -> None:
        """To the next check: an epoch, or a part of the budget where it is only a few epochs long.

        Where that takes long, `tell` is called on the way.
        """
        self.train_on(self._batches.an_epoch, min(self.used + 1 / _CHECKS, 1.0), tell)

    def train_on(self, steps: int, until: float = 1.0, tell: Callable[[], None] = lambda: None) -> None:
        """`steps` batches, or fewer where the share `until` of the budget is used before."""
        told_s = time.monotonic()
        self._model.train()
        for _ in range(steps):
            if self.used >= until:
                break
            self._step(self._batches.next())
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
        select = self._data.select
        return score(quick_answers(model, select.inputs), select, self._teacher.select)

    def _step(self, chosen: torch.Tensor) -> None:
        inputs, labels = _chosen(self._data.train, chosen)
        with quickly():
            made = all_outputs(self._model(inputs))
        taught = {number: torch.from_numpy(wanted)[chosen] for number, wanted in self._teacher.train.items()}
        loss = loss_of(made[0].float(), taught.pop(0), labels)
        loss = sum((F.mse_loss(made[number].float(), wanted) for number, wanted in taught.items()), loss)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()


def _no_moments(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """What AdamW keeps of a weight before its first step."""
    return {"step": torch.zeros(()), "exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}


def _names(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_parameters()]


def _of(kept: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{part}."): each for name, each in kept.items() if name.startswith(f"{part}.")}


def _chosen(split: Split, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    labels = None if split.labels is None else torch.from_numpy(split.labels)[chosen]
    return laid_out(torch.from_numpy(split.inputs)[chosen]), labels
