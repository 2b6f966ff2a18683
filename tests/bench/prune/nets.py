"""The networks that the pruning benchmark runs on: the zoo's three, trained once and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from controller.zoo.reference import find_reference


def prepare(name: str, cache: Path, progress: Callable[[str], None]) -> Path:
    """The spec of the network called `name`, laid out in `cache`; trained first unless its weights are there."""
    reference = find_reference(name)
    return reference.write_spec(cache / name, reference.train(cache, progress))
