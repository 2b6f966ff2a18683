"""Which rows of a concatenation come from which of its parts.

torch-pruning guesses the parts' sizes from the layers around, and takes a concatenation that is flattened next, or one
with a part that no layer made, for something else. Here the sizes are those of the traced run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch_pruning as tp
from torch.overrides import TorchFunctionMode

_CONCATS = (torch.cat, torch.concat, torch.concatenate)


@dataclass(frozen=True, slots=True)
class _Parts:
    """`spans` `[start, end)` along `axis` of the parts that are in the graph, `sizes` of all, `axes` of the result."""

    spans: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]
    axis: int
    axes: int


@dataclass(eq=False)
class Concats(TorchFunctionMode):
    """While entered, notes every concatenation by its node in the autograd graph."""

    parts: dict[Any, _Parts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in _CONCATS and made.grad_fn is not None:
            self.parts[made.grad_fn] = _parts(made, *args, **(kwargs or {}))
        return made

    def correct(self, graph: Any) -> None:
        """Give the graph's concatenations the mappings of rows that belong to their true sizes."""
        for node in graph.module2node.values():
            parts = self.parts.get(node.grad_fn) if node.type == tp.ops.OPTYPE.CONCAT else None
            if parts is not None and len(parts.spans) == len(node.inputs):
                _map(node, parts.spans if _joins_channels(graph, node, parts) else None)


def _parts(made: torch.Tensor, tensors: Any, dim: int = 0, **others: Any) -> _Parts:
    axis = others.get("axis", dim) % made.ndim
    spans, sizes, start = list[tuple[int, int]](), list[int](), 0
    for tensor in tensors:
        end = start + tensor.shape[axis]
        sizes.append(end - start)
        if tensor.requires_grad:
            spans.append((start, end))
        start = end
    return _Parts(tuple(spans), tuple(sizes), axis, made.ndim)


def _joins_channels(graph: Any, node: Any, parts: _Parts) -> bool:
    """Channels are axis 1; of three axes they may be the last, as of tokens, which only the layers around tell."""
    if parts.axes != 3:
        return parts.axis == 1
    inferred = tuple(tp.dependency.shape_infer.infer_channels_between(graph, each, node) for each in node.inputs)
    return parts.axis > 0 and inferred == tuple(end - start for start, end in parts.spans)


def _map(node: Any, spans: tuple[tuple[int, int], ...] | None) -> None:
    mapping = tp.dependency.index_mapping._ConcatIndexMapping
    for edges, reverse in ((_edges_from(node), True), (_edges_to(node), False)):
        for place, edge in enumerate(edges):
            edge.index_mapping[1] = None if spans is None else mapping(offset=list(spans[place]), reverse=reverse)


def _edges_from(node: Any) -> Iterator[Any]:
    """For each input of `node` its own edge to it; an input that is read twice has two."""
    left = list(node.dependencies)
    for read in node.inputs:
        edge = next(each for each in left if each.target is read)
        left = [each for each in left if each is not edge]
        yield edge


def _edges_to(node: Any) -> Iterator[Any]:
    left = {id(read): [each for each in read.dependencies if each.target is node] for read in node.inputs}
    for read in node.inputs:
        yield left[id(read)].pop(0)
