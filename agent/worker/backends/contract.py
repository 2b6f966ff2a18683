"""What an ONNX artifact must be before the runtime sees it: one file, of standard operators. Read without any library.

Runtimes open the files that a model names as external data, wherever they are, and have been tricked by such paths more
than once (CVE-2026-27489, CVE-2026-34446). Field numbers are those of onnx.proto; the wire format is protobuf's
(https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOMAINS = (b"", b"ai.onnx")
_EXTERNAL = 1  # TensorProto.DataLocation
_DEEPEST = 32  # subgraphs in subgraphs

# Message -> field number -> what is in it.
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external", 14: "location"},
}


class ContractError(ValueError):
    """An artifact that the contract does not allow; the text says why."""


def check_onnx(path: Path) -> None:
    """Raises `ContractError`, and `OSError` where the file cannot be read."""
    data = path.read_bytes()
    try:
        _check(memoryview(data), "model", 0)
    except (IndexError, ValueError) as error:
        if isinstance(error, ContractError):
            raise
        raise ContractError(f"it is no ONNX model: {error}") from None


def _check(message: memoryview, kind: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ContractError(f"subgraphs are nested more than {_DEEPEST} deep")
    fields = _FIELDS[kind]
    for number, value in _read(message):
        inner = fields.get(number)
        if inner is None:
            continue
        if inner == "external" or (inner == "location" and value == _EXTERNAL):
            raise ContractError("it refers to data outside of its file")
        if inner == "domain" and isinstance(value, memoryview):
            if bytes(value) not in _DOMAINS:
                raise ContractError(f"it has operators of {bytes(value[:100])!r}; standard ones alone are run")
        elif isinstance(value, memoryview):
            _check(value, inner, depth + (inner == "graph"))


def _read(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of each field, the fixed-width ones left out. Raises `IndexError` or `ValueError`."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif wire == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("it ends in the middle of a field")
            yield number, message[at : at + size]
            at += size
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"a field of unknown wire type {wire}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
