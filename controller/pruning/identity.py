"""What a model is, as against what its owner wants of it.

Weights, factory, inputs, data and seed are digested: what jobs leave on the shelf belongs to them, and a `name@version`
has one such digest for good. Floors, preferences and budgets are policy, which may change and orphans nothing. Release
0.1 digested the whole spec; what it left is found by the digest that it would have.
"""

from __future__ import annotations

import hashlib
from json import dumps
from pathlib import Path
from typing import Any

from controller.pruning.spec import FunctionRef, ModelSpec


def digest_of(spec: ModelSpec, factory_source: bytes) -> str:
    """sha256 over the weights' bytes, what the spec says the model is, the factory's source and the example's bytes."""
    return _digest(spec, _what_it_is(spec), factory_source)


def formerly(spec: ModelSpec, factory_source: bytes) -> str:
    """The digest that 0.1 gave the same model, under the policy in its spec file."""
    return _digest(spec, {**_what_it_is(spec), **spec.file_policy}, factory_source)


def stored_digest(spec: ModelSpec) -> str:
    """As the controller tells models apart. It runs none of the owner's code: of a factory's module it has the name."""
    factory = spec.factory
    return digest_of(spec, Path(factory.place).read_bytes() if factory.is_file else b"")


def formerly_stored(spec: ModelSpec, spec_path: Path) -> str:
    """The same by 0.1, which took the spec file byte by byte."""
    return hashlib.sha256(spec_path.read_bytes() + spec.weights.read_bytes()).hexdigest()


def _what_it_is(spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "version": spec.version,
        "factory": _reference(spec.factory),
        "weights": spec.weights.name,
        "input_shape": spec.input_shape,
        "input_example": None if spec.input_example is None else spec.input_example.name,
        "data": None if spec.data is None else _reference(spec.data),
        "seed": spec.seed,
    }


def _reference(function: FunctionRef) -> dict[str, Any]:
    place = Path(function.place).name if function.is_file else function.place
    return {"place": place, "function": function.function, "is_file": function.is_file}


def _digest(spec: ModelSpec, said: dict[str, Any], factory_source: bytes) -> str:
    digest = hashlib.sha256()
    example = () if spec.input_example is None else (spec.input_example.read_bytes(),)
    for part in (spec.weights.read_bytes(), dumps(said, sort_keys=True).encode(), factory_source, *example):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
