"""The backend seam: an artifact as something that runs, by the runtime that its assignment names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.worker.tensors import Tensors, TensorSpec


class Session(Protocol):
    """A loaded artifact. `platform` names its format as the Open Inference Protocol does."""

    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        """All outputs, in the order of `outputs`. Raises what the runtime raises."""


class Backend(Protocol):
    """A runtime: one module of `agent.worker.backends`, which alone imports it."""

    def check(self, path: Path) -> None:
        """Raises `ContractError` for what may not reach the runtime, `OSError` where the file cannot be read."""

    def open_session(self, source: str | bytes) -> Session:
        """From a path or the bytes. Raises what the runtime raises."""

    def tiny(self) -> Session:
        """The smallest model that wakes the runtime's usual kernels."""


def backend(runtime: str) -> Backend:
    """The one for a runtime of `agent.wire.profile.Runtime`. Raises `ImportError` where it is not installed."""
    if runtime == "ncnn":
        from agent.worker.backends import ncnn

        return ncnn
    from agent.worker.backends import onnx

    return onnx


def example(session: Session, dice: np.random.Generator) -> Tensors:
    """Random inputs of the declared shapes."""
    return {each.name: each.example(dice) for each in session.inputs}


def bind(session: Session, sample: NDArray[Any]) -> Tensors:
    """`sample` (no batch axis) as the first input, batch 1."""
    first = session.inputs[0]
    return {first.name: np.ascontiguousarray(sample[np.newaxis], dtype=first.dtype)}


def wake(runtime: Backend) -> None:
    """Load and run the smallest model, so that what follows measures the model and not the runtime."""
    session = runtime.tiny()
    session.run(example(session, np.random.default_rng(0)))
