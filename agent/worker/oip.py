"""The Open Inference Protocol v2 as values: an infer request into tensors, tensors into its response. No sockets.

https://github.com/kserve/open-inference-protocol and its extension for binary tensors: behind the JSON, whose length is
in a header, come the raw little-endian values of the tensors that say how many bytes they have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.worker.tensors import Tensors, TensorSpec

EXTENSIONS = ("binary_tensor_data",)
Parameters = Mapping[str, Any]


class RefusedError(ValueError):
    """A request that cannot be answered, and the HTTP status that says so."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


# Some clients write `null` for what they leave out.
class _Given(msgspec.Struct, frozen=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class _Asked(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct, frozen=True):
    inputs: list[_Given]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Asked] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """An infer request: the inputs by name, and the outputs that are wanted, each with whether as binary."""

    id: str | None
    inputs: Tensors
    outputs: Mapping[str, bool]


_REQUESTS = msgspec.json.Decoder(_Request)


def read_request(
    body: bytes, json_bytes: int | None, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> Asked:
    """Of `body` the first `json_bytes` (None: all) are JSON. Raises `RefusedError` saying what is wrong with what."""
    if json_bytes is not None and not 0 <= json_bytes <= len(body):
        raise RefusedError(f"Inference-Header-Content-Length {json_bytes}: the body has {len(body)} bytes")
    head, raw = (body, b"") if json_bytes is None else (body[:json_bytes], body[json_bytes:])
    try:
        request = _REQUESTS.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(f"not an infer request: {error}") from None
    wanted = {each.name for each in inputs}
    given = [each.name for each in request.inputs]
    if sorted(given) != sorted(wanted):
        raise RefusedError(f"inputs are {', '.join(sorted(wanted))}; given: {', '.join(given) or 'none'}")
    return Asked(
        request.id, _tensors(request.inputs, raw, {each.name: each for each in inputs}), _wanted(request, outputs)
    )


def write_response(
    asked: Asked, model: str, version: str, outputs: Sequence[TensorSpec], values: Sequence[NDArray[Any]]
) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON where tensors follow that."""
    rows, raw = [], []
    for spec, value in zip(outputs, values, strict=True):
        if spec.name not in asked.outputs:
            continue
        row: dict[str, Any] = {"name": spec.name, "datatype": spec.datatype, "shape": list(value.shape)}
        if asked.outputs[spec.name]:
            raw.append(_little_endian(value).tobytes())
            row["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            row["data"] = value.ravel().tolist()
        rows.append(row)
    head: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": rows}
    if asked.id:
        head["id"] = asked.id
    text = msgspec.json.encode(head)
    return b"".join((text, *raw)), len(text) if raw else None


def metadata(
    model: str, version: str, platform: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> bytes:
    """What a model is."""
    return msgspec.json.encode(
        {
            "name": model,
            "versions": [version],
            "platform": platform,
            "inputs": [_described(each) for each in inputs],
            "outputs": [_described(each) for each in outputs],
        }
    )


def most_bytes(inputs: Sequence[TensorSpec]) -> int:
    """The largest body that an infer request is read with: generous for JSON, where a number may have 25 digits."""
    if any(size < 0 for each in inputs for size in each.shape):
        return 16 * 2**20
    return 2**16 + 32 * sum(math.prod(each.shape) for each in inputs)


def _tensors(given: Sequence[_Given], raw: bytes, specs: Mapping[str, TensorSpec]) -> Tensors:
    found: Tensors = {}
    for each in given:
        spec, shape = specs[each.name], tuple(each.shape)
        if each.datatype != spec.datatype:
            raise RefusedError(f"input {each.name!r} is {spec.datatype}; given: {each.datatype}")
        if not spec.allows(shape):
            raise RefusedError(f"input {each.name!r} has shape {list(spec.shape)}; given: {each.shape}")
        size = (each.parameters or {}).get("binary_data_size")
        if size is None:
            found[each.name] = _from_json(each, spec, shape)
            continue
        if not isinstance(size, int) or size != math.prod(shape) * np.dtype(spec.dtype).itemsize or size > len(raw):
            raise RefusedError(f"input {each.name!r}: binary_data_size {size} does not fit its shape or the body")
        found[each.name] = _from_binary(raw[:size], spec, shape)
        raw = raw[size:]
    if raw:
        raise RefusedError(f"{len(raw)} bytes are left over behind the tensors")
    return found


def _from_json(given: _Given, spec: TensorSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    if given.data is None:
        raise RefusedError(f"input {given.name!r} has neither data nor binary_data_size")
    try:
        values = np.asarray(given.data)
        with np.errstate(invalid="ignore", over="ignore"):
            exact = values.astype(spec.dtype)
    except (TypeError, ValueError, OverflowError):  # null, a text or an object among the numbers, ragged lists
        raise RefusedError(f"input {given.name!r}: its data are not {spec.datatype} values") from None
    whole = np.issubdtype(spec.dtype, np.integer)
    if values.dtype.kind not in "biuf" or (whole and (exact != values).any()):
        raise RefusedError(f"input {given.name!r}: its data are not {spec.datatype} values")
    if exact.size != math.prod(shape):
        raise RefusedError(f"input {given.name!r} has {exact.size} values; {given.shape} are {math.prod(shape)}")
    return exact.reshape(shape)


def _from_binary(raw: bytes, spec: TensorSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    values = np.frombuffer(raw, np.dtype(spec.dtype).newbyteorder("<"))
    return values.astype(spec.dtype).reshape(shape)


def _wanted(request: _Request, outputs: Sequence[TensorSpec]) -> dict[str, bool]:
    usually = bool((request.parameters or {}).get("binary_data_output", False))
    names = [each.name for each in outputs]
    if not request.outputs:
        return dict.fromkeys(names, usually)
    asked = {each.name: each.parameters or {} for each in request.outputs}
    if unknown := [name for name in asked if name not in names]:
        raise RefusedError(f"outputs are {', '.join(names)}; asked for: {', '.join(unknown)}")
    if any("classification" in parameters for parameters in asked.values()):
        raise RefusedError("the classification extension is not offered")
    return {name: bool(parameters.get("binary_data", usually)) for name, parameters in asked.items()}


def _described(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _little_endian(value: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False))
