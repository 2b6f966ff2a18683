"""Giving a pruned model its accuracy back: BatchNorm statistics first, then distillation from the dense model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from controller.core.nouns.model import Recovery
from controller.pruning.model.data import Data
from controller.pruning.recover.course import Course, Teacher
from controller.pruning.recover.keep import Keep


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
    keep: Keep | None = None,
) -> Recovered:
    """Train `model` on the train split to answer as the dense model does, until the budget or the patience ends.

    Knowledge distillation (Hinton et al., 2015): KL at temperature 3, plus cross-entropy where there are labels; where
    the outputs are no classes, and for outputs beside the first, mean square error. The learning rate stays, and what
    is judged and shipped is the weights' running average (B. Polyak and A. Juditsky, 1992): as good as after a rate
    that falls to nothing, and the training may go on from any step of it, through further cuts too.

    `keep` has it go on where a process that was killed left it: with a budget in epochs to the same bytes.
    """
    torch.manual_seed(seed)
    course = Course(model, data, teacher, budget, torch.Generator().manual_seed(seed))
    if keep is None or not course.resumed(keep):
        course.check()
    while not course.ended:
        progress(course.used, course.told())
        course.train(lambda: progress(course.used, course.told()))
        course.check()
        if keep is not None and keep.due:
            course.put(keep)
    if keep is not None:
        keep.drop()
    best = course.best
    for each in (best, model):
        each.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's own stub leaves it out
    return Recovered(best.eval(), model.eval(), course.epochs, course.clock.cpu_s, course.best_score)
