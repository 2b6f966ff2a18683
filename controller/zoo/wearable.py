"""The wearable model: a one-dimensional residual network that tells seven shoulder exercises from a smartwatch.

`build` and `data` are what its model spec names; `train` makes its weights once and keeps them by what made them;
`write_spec` and `write_replay` lay out what a controller and its demo devices take.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from controller.zoo.watch import CHANNELS, CLASSES, WINDOW_SAMPLES, Split, Watch, load_watch

NAME = "wearable"
VERSION = "1"
_WIDTHS = (64, 96, 160, 256)
_ACCURACY_FLOOR = "80 %"
_RECOVERY_EPOCHS = 2
_SEED = 20240917


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the weights are made. `channel_gain` and `channel_shift` are standard deviations of the augmentation."""

    epochs: int = 12
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    smoothing: float = 0.1
    channel_gain: float = 0.2
    channel_shift: float = 0.3
    noise: float = 0.1
    seed: int = _SEED


class Block(nn.Module):
    """Two convolutions with a shortcut; `stride` halves the length. `[n, i, t]` to `[n, o, t / stride]`."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels_in, channels_out, 5, stride, 2, bias=False)
        self.first_norm = nn.BatchNorm1d(channels_out)
        self.second = nn.Conv1d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm1d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            project = nn.Conv1d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm1d(channels_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class Wearable(nn.Module):
    """`[n, 6, 128]` standardised windows to `[n, 7]` logits."""

    def __init__(self, widths: tuple[int, ...] = _WIDTHS) -> None:
        super().__init__()
        stem, *stages = widths
        self.stem = nn.Sequential(nn.Conv1d(CHANNELS, stem, 7, 1, 3, bias=False), nn.BatchNorm1d(stem), nn.ReLU())
        blocks, width = list[nn.Module](), stem
        for stage in stages:
            blocks.append(Block(width, stage, 2))
            width = stage
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.flatten(self.pool(self.blocks(self.stem(x))), 1)
        logits: torch.Tensor = self.head(self.dropout(features))
        return logits


def build() -> nn.Module:
    """The network, untrained."""
    return Wearable()


def data() -> Watch:
    """The smartwatch windows; raises `MissingDataError` where their package is not installed."""
    return load_watch()


def train(cache_dir: Path, progress: Callable[[str], None] = lambda _: None, recipe: Recipe = Recipe()) -> Path:
    """The weights' file in `cache_dir`, trained first unless the same code, data and recipe already made it."""
    windows = data()
    key = _made_from(windows, recipe)
    path = cache_dir / f"{NAME}-{key[:16]}.safetensors"
    if path.is_file():
        progress(f"{NAME}: already trained")
        return path
    with _one_thread():
        model = _fit(windows.train, recipe, progress)
    progress(f"{NAME}: {_accuracy(model, windows.gate):.1%} on {len(windows.gate.inputs)} windows of people never seen")
    cache_dir.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{os.getpid()}")
    save_file(model.state_dict(), part, metadata={"made_from": key})
    part.replace(path)
    return path


def write_spec(folder: Path, weights: Path) -> Path:
    """A model spec in `folder` that names `weights`; its path."""
    spec = {
        "name": NAME,
        "version": VERSION,
        "factory": f"{__name__}:build",
        "weights": str(weights.resolve()),
        "input": {"shape": [1, CHANNELS, WINDOW_SAMPLES]},
        "data": f"{__name__}:data",
        "accuracy": {"floor": _ACCURACY_FLOOR},
        "recover": {"epochs": _RECOVERY_EPOCHS},
        "seed": 1,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return path


def write_replay(path: Path, windows: int = 256, seed: int = 0) -> Path:
    """`windows` gate windows in random order, `[windows, 6, 128]`: what a demo device's sensor would deliver."""
    inputs = data().gate.inputs
    chosen = np.random.default_rng(seed).choice(len(inputs), size=min(windows, len(inputs)), replace=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, inputs[chosen])
    return path


def _bytes_digest(windows: Watch) -> str:
    digest = hashlib.sha256()
    for split in windows:
        digest.update(split.inputs.tobytes() + split.labels.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """On a busy host torch's threads wait for each other longer than they work; one is also the same every time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _source() -> str:
    """The code that decides what the weights become."""
    makers = (Block, Wearable, Recipe, _fit, _batches, _augmented)
    return "\n".join(inspect.getsource(each) for each in makers)


def _made_from(windows: Watch, recipe: Recipe) -> str:
    parts = (_source(), json.dumps(asdict(recipe)), _bytes_digest(windows), torch.__version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _fit(split: Split, recipe: Recipe, progress: Callable[[str], None]) -> nn.Module:
    torch.manual_seed(recipe.seed)
    dice = torch.Generator().manual_seed(recipe.seed)
    model, inputs, labels = build(), torch.from_numpy(split.inputs), torch.from_numpy(split.labels)
    steps = len(inputs) // recipe.batch
    optimiser = torch.optim.AdamW(model.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.epochs * steps)
    began = time.monotonic()
    for epoch in range(recipe.epochs):
        model.train()
        for chosen in _batches(len(inputs), recipe.batch, dice):
            logits = model(_augmented(inputs[chosen], recipe, dice))
            loss = F.cross_entropy(logits, labels[chosen], label_smoothing=recipe.smoothing)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
        left_s = (time.monotonic() - began) / (epoch + 1) * (recipe.epochs - epoch - 1)
        progress(f"{NAME}: epoch {epoch + 1} of {recipe.epochs}, loss {loss.item():.2f}, about {left_s:.0f} s left")
    return model.eval()


def _batches(count: int, batch: int, dice: torch.Generator) -> Iterator[torch.Tensor]:
    order = torch.randperm(count, generator=dice)
    return (order[start : start + batch] for start in range(0, count - batch + 1, batch))


def _augmented(batch: torch.Tensor, recipe: Recipe, dice: torch.Generator) -> torch.Tensor:
    """Another watch, worn a little differently: each channel scaled and shifted, and noise on top."""
    per_channel = (len(batch), CHANNELS, 1)
    gain = 1 + recipe.channel_gain * torch.randn(per_channel, generator=dice)
    shift = recipe.channel_shift * torch.randn(per_channel, generator=dice)
    return batch * gain + shift + recipe.noise * torch.randn(batch.shape, generator=dice)


@torch.no_grad()
def _accuracy(model: nn.Module, split: Split) -> float:
    return float((model(torch.from_numpy(split.inputs)).argmax(1).numpy() == split.labels).mean())
