"""The networks that the pruning benchmark runs on: the zoo's three, trained once and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from controller.pruning.model.load import LoadedModel, load_model
from controller.pruning.spec import load_spec
from controller.zoo.reference import NAMES, find_reference

__all__ = ["NAMES", "load_net", "prepare"]


def prepare(name: str, cache: Path, progress: Callable[[str], None]) -> Path:
    """The spec of the network called `name`, laid out in `cache`; trained first unless its weights are there."""
    reference = find_reference(name)
    return reference.write_spec(cache / name, reference.train(cache, progress))


def load_net(name: str, cache: Path, progress: Callable[[str], None]) -> LoadedModel:
    """The trained network with its data."""
    return load_model(load_spec(prepare(name, cache, progress)))
