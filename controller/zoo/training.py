"""Training a network from nothing: one recipe, one loop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.pruning.model.data import Split
from controller.zoo.augment import Augment

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How weights are made: AdamW under one cycle of the learning rate (L. Smith and N. Topin, 2018), which peaks at
    `rate`.

    `bfloat16` trains images in it where the CPU computes it natively. `threads` None leaves torch's own number.
    """

    epochs: float
    batch: int
    rate: float
    decay: float
    smoothing: float
    augment: Augment
    seed: int
    bfloat16: bool = False
    threads: int | None = None


def fit(build: Callable[[], nn.Module], split: Split, recipe: Recipe, progress: Progress) -> nn.Module:
    """What `build` makes, trained on the labelled `split`, in eval mode. The same every time on one thread."""
    with _threads(recipe.threads):
        torch.manual_seed(recipe.seed)
        model = _train(build(), split, recipe, progress)
    return _laid_out(model, torch.contiguous_format).eval()


def computes_bfloat16(recipe: Recipe) -> bool:
    """Whether `recipe` trains in bfloat16 here. Emulated, it would be slower than fp32."""
    return recipe.bfloat16 and torch.cpu._is_avx512_bf16_supported()


def _train(model: nn.Module, split: Split, recipe: Recipe, progress: Progress) -> nn.Module:
    assert split.labels is not None
    inputs, labels = torch.from_numpy(split.inputs), torch.from_numpy(split.labels)
    half = computes_bfloat16(recipe)
    layout = torch.channels_last if half else torch.contiguous_format
    _laid_out(model, layout).train()
    dice = torch.Generator().manual_seed(recipe.seed)
    a_round = len(inputs) // recipe.batch
    steps = round(recipe.epochs * a_round)
    optimiser = torch.optim.AdamW(model.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=steps)
    began = time.monotonic()
    for step, chosen in enumerate(islice(_batches(len(inputs), recipe.batch, dice), steps), 1):
        batch = recipe.augment(inputs[chosen], dice).contiguous(memory_format=layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(batch)
        loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % a_round == 0 or step == steps:
            left_s = (time.monotonic() - began) / step * (steps - step)
            done = f"epoch {step / a_round:.3g} of {steps / a_round:.3g}"
            progress(f"{done}, loss {loss.item():.2f}, about {left_s:.0f} s left")
    return model


def _laid_out(model: nn.Module, layout: torch.memory_format) -> nn.Module:
    model.to(memory_format=layout)  # type: ignore[call-overload]  # torch's own stub leaves it out
    return model


def _batches(count: int, batch: int, dice: torch.Generator) -> Iterator[torch.Tensor]:
    """Full batches without end, in another order each time through."""
    while True:
        order = torch.randperm(count, generator=dice)
        yield from (order[start : start + batch] for start in range(0, count - batch + 1, batch))


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
