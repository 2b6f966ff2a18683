"""A reference model: its weights are made once and kept by what made them, and its spec is what a controller takes."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from controller.pruning.judge.accuracy import classify
from controller.pruning.model.data import Data, data_digest
from controller.pruning.model.outputs import answers
from controller.zoo import training
from controller.zoo.training import Progress, Recipe

NAMES = ("wearable", "residual", "mobile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`build` and `data` are functions of one module, by whose name the spec finds them.

    `sample_shape` is without the batch axis; `accuracy_floor` as in a spec, "88 %".
    """

    name: str
    build: Callable[[], nn.Module]
    data: Callable[[], Data]
    sample_shape: tuple[int, ...]
    recipe: Recipe
    accuracy_floor: str
    recovery_epochs: int = 2
    version: str = "1"

    def train(self, cache_dir: Path, progress: Progress = lambda _: None, recipe: Recipe | None = None) -> Path:
        """The weights' file in `cache_dir`, trained first unless the same code, data and recipe already made it."""
        recipe, data = recipe or self.recipe, self.data()
        key = self._made_from(data, recipe)
        path = cache_dir / f"{self.name}-{key[:16]}.safetensors"
        if path.is_file():
            progress(f"{self.name}: already trained")
            return path
        cache_dir.mkdir(parents=True, exist_ok=True)
        model = training.fit(self.build, data.train, recipe, lambda line: progress(f"{self.name}: {line}"))
        progress(f"{self.name}: {_judged(model, data)}")
        part = path.with_suffix(f".part{os.getpid()}")
        save_file(model.state_dict(), part, metadata={"made_from": key})
        part.replace(path)
        return path

    def write_spec(self, folder: Path, weights: Path) -> Path:
        """A model spec in `folder` that names `weights`; its path."""
        spec = {
            "name": self.name,
            "version": self.version,
            "factory": _reference(self.build),
            "weights": str(weights.resolve()),
            "input": {"shape": [1, *self.sample_shape]},
            "data": _reference(self.data),
            "accuracy": {"floor": self.accuracy_floor},
            "recover": {"epochs": self.recovery_epochs},
            "seed": 1,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "model.yaml"
        path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
        return path

    def write_replay(self, path: Path, windows: int = 256, seed: int = 0) -> Path:
        """`windows` gate inputs in random order, `[windows, ...]`: what a demo device's sensor would deliver."""
        inputs = self.data().gate.inputs
        chosen = np.random.default_rng(seed).choice(len(inputs), size=min(windows, len(inputs)), replace=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, inputs[chosen])
        return path

    def _made_from(self, data: Data, recipe: Recipe) -> str:
        """sha256 over what decides the weights. The network's text holds its widths, its classes' source the rest."""
        network = self.build()
        own = {type(each) for each in network.modules() if type(each).__module__ == self.build.__module__}
        code = [*sorted(map(inspect.getsource, own)), inspect.getsource(type(recipe.augment))]
        how = (inspect.getsource(training), repr(recipe), str(training.computes_bfloat16(recipe)), torch.__version__)
        return hashlib.sha256("\n".join((str(network), *code, *how, data_digest(data))).encode()).hexdigest()


def find_reference(name: str) -> Reference:
    """The reference model called `name`, one of `NAMES`."""
    found = import_module(f"controller.zoo.{name}").REFERENCE
    assert isinstance(found, Reference)
    return found


def _reference(function: Callable[[], object]) -> str:
    return f"{function.__module__}:{function.__name__}"


def _judged(model: nn.Module, data: Data) -> str:
    assert data.gate.labels is not None
    judged = classify(answers(model, data.gate.inputs), data.gate.labels)
    return f"{judged.share:.1%} ({judged.low:.1%} to {judged.high:.1%}) of {judged.samples} inputs never seen"
