"""An ONNX graph without what no runtime needs: where it was made, the names a person gave, values held twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import onnx
from onnx import numpy_helper

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def slim(proto: Any) -> bytes:
    """The bytes of the `ModelProto`, equal for equal graphs; only the names of its inputs and outputs stay.

    Paths and stack traces of the exporting machine go too. Raises `onnx.checker.ValidationError`.
    """
    del proto.metadata_props[:]
    proto.doc_string = ""
    for part in (proto.graph, *proto.functions):
        for each in _subgraphs(part):
            _strip(each)
    graph = proto.graph
    _share_equal(graph)
    _rename(graph)
    used = {node.domain for part in (*_subgraphs(graph), *proto.functions) for node in part.node}
    for unused in [each for each in proto.opset_import if each.domain not in used | {""}]:
        proto.opset_import.remove(unused)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _subgraphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _subgraphs(inner)


def _strip(part: Any) -> None:
    part.doc_string = ""
    del part.metadata_props[:]
    del part.value_info[:]
    named = [*part.node, *getattr(part, "initializer", [])]
    values = [*getattr(part, "input", []), *getattr(part, "output", [])]
    for each in (*named, *(value for value in values if not isinstance(value, str))):
        each.doc_string = ""
        del each.metadata_props[:]


def _share_equal(graph: Any) -> None:
    """Keep one of equal initialisers, such as zero points, and none that nothing reads."""
    first, now = dict[tuple[Any, ...], str](), dict[str, str]()
    for each in graph.initializer:
        raw = numpy_helper.to_array(each)
        now[each.name] = first.setdefault((each.data_type, tuple(each.dims), raw.tobytes()), each.name)
    _apply(graph, now, outputs=False)
    outputs = {each.name for each in graph.output}
    read = {name for part in _subgraphs(graph) for node in part.node for name in node.input} | outputs
    kept = [each for each in graph.initializer if each.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _rename(graph: Any) -> None:
    """Short names in order of appearance. Runtimes need none for nodes."""
    fixed = {"", *(each.name for each in (*graph.input, *graph.output))}
    fresh = (name for name in map(_letters, count()) if name not in fixed)
    now = {name: name for name in fixed}
    for part in _subgraphs(graph):
        part.name = "g"
        inner = [each.name for each in (*part.input, *part.output, *part.initializer)]
        for name in (*inner, *(name for node in part.node for name in (*node.input, *node.output))):
            if name not in now:
                now[name] = next(fresh)
        for node in part.node:
            node.name = ""
    _apply(graph, now, outputs=True)


def _apply(graph: Any, now: Mapping[str, str], *, outputs: bool) -> None:
    for part in _subgraphs(graph):
        for node in part.node:
            node.input[:] = [now.get(name, name) for name in node.input]
            if outputs:
                node.output[:] = [now.get(name, name) for name in node.output]
        if outputs:
            for each in (*part.input, *part.output, *part.initializer):
                each.name = now.get(each.name, each.name)


def _letters(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    number, digit = divmod(number, len(_LETTERS))
    return (_letters(number - 1) if number else "") + _LETTERS[digit]
