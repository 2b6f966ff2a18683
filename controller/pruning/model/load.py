"""The operator's model brought to life: factory, weights, example input and data. Only in a job's own process."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from controller.pruning.errors import DataError, LoadError
from controller.pruning.identity import digest_of, formerly
from controller.pruning.model.attention import prepare
from controller.pruning.model.data import Data, Floats, check_data
from controller.pruning.spec import FunctionRef, ModelSpec

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """`module` in eval mode with its weights; `sample_shape` without the batch axis; `digest` names all of it, and
    `formerly` is the digest that 0.1 gave it.

    `example` is the input `[1, ...]` that the spec names, to trace and export with; None where it only gives a shape.
    """

    spec: ModelSpec
    module: nn.Module
    sample_shape: tuple[int, ...]
    data: Data | None
    digest: str
    example: Floats | None = None
    formerly: str = ""


def load_model(spec: ModelSpec) -> LoadedModel:
    """Build, fill and check the model. Raises `LoadError`, `DataError`, and whatever the operator's code raises."""
    _seed(spec.seed)
    factory, source = resolve(spec.factory)
    module = _run(spec.factory, factory)
    if not isinstance(module, nn.Module):
        raise LoadError(f"factory {spec.factory.function}: returned {type(module).__name__}, expected an nn.Module")
    _fill(module, spec.weights)
    example = None if spec.input_example is None else _example(spec.input_example)
    sample_shape = _sample_shape(spec, example)
    _seed(spec.seed)
    data = None if spec.data is None else _data(spec.data, sample_shape)
    return LoadedModel(
        spec,
        prepare(module.float().eval()),
        sample_shape,
        data,
        digest_of(spec, source),
        example,
        formerly(spec, source),
    )


def _seed(seed: int) -> None:
    """All that the operator's code may draw from: splits that differed from job to job would mix gate and train."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _fill(module: nn.Module, weights: Path) -> None:
    try:
        module.load_state_dict(read_weights(weights))
    except RuntimeError as error:  # its first line names the class, each other one a tensor
        _, *reasons = (line.strip() for line in str(error).splitlines())
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise LoadError(f"{weights.name} does not fit the factory's module: {''.join(reasons[:1])}{more}") from None


def _data(reference: FunctionRef, sample_shape: tuple[int, ...]) -> Data:
    function, _ = resolve(reference)
    return _run(reference, lambda: check_data(function(), sample_shape))


def _run(reference: FunctionRef, call: Callable[[], R]) -> R:
    """Call the operator's code; what it raises becomes a `LoadError` that says where in it."""
    try:
        return call()
    except (LoadError, DataError):
        raise
    except (Exception, SystemExit) as error:
        frames = extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if frame.filename == reference.place] or frames
        where = reference.place if isinstance(error, SyntaxError) else f"{theirs[-1].filename}:{theirs[-1].lineno}"
        said = str(error).splitlines()[0] if str(error) else ""
        raise LoadError(f"{where}: {reference.function}: {type(error).__name__}: {said}") from None


def resolve(reference: FunctionRef) -> tuple[Callable[[], Any], bytes]:
    """The function, and the source of the file that it stands in. Raises `LoadError`."""
    place = reference.place
    module = _run(reference, lambda: _from_file(Path(place)) if reference.is_file else _from_name(place))
    function = getattr(module, reference.function, None)
    if not callable(function):
        raise LoadError(f"{place} has no function {reference.function!r}")
    return function, Path(str(module.__file__)).read_bytes()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict. A pickle that holds more than tensors is refused unread. Raises `LoadError`."""
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise LoadError(f"{path.name}: not a safetensors file: {error}") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises several kinds, some with the advice to run the pickle; all mean the same
        raise LoadError(
            f"{path.name}: not a plain state dict, and a pickle that holds code is never run. Save one with "
            f"torch.save(model.state_dict(), 'weights.pt') or safetensors.torch.save_file(model.state_dict(), "
            f"'weights.safetensors')"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise LoadError(f"{path.name}: holds no mapping of names to tensors; save model.state_dict()")
    return state


def _from_name(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise LoadError(f"module {name!r} cannot be imported: {error}") from None


def _from_file(path: Path) -> Any:
    # The name is unique to the path: two specs may each have their own `model.py`, and one may use the file twice.
    name = f"hedgerow_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise LoadError(f"{path.name}: is not a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def _sample_shape(spec: ModelSpec, example: Floats | None) -> tuple[int, ...]:
    if example is not None:
        return example.shape[1:]
    assert spec.input_shape is not None
    return spec.input_shape[1:]


def _example(path: Path) -> Floats:
    """The values of an .npy file as float32. Raises `LoadError`."""
    try:
        example: Floats = np.ascontiguousarray(np.load(path, allow_pickle=False), dtype=np.float32)
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise LoadError(f"{path.name}: not an .npy file of numbers: {error}") from None
    if example.ndim < 2 or example.shape[0] != 1:
        raise LoadError(f"{path.name}: shape {list(example.shape)}, expected a batch of 1 first")
    if not np.isfinite(example).all():
        raise LoadError(f"{path.name}: holds values that are not finite")
    return example
