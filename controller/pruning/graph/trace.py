"""Which rows of which layers depend on each other, read off torch-pruning's dependency graph of the dense model.

The graph is DepGraph's (Fang et al., CVPR 2023). Only its nodes, edges and index mappings are used: the library's own
groups drop rows that two channels share. Every dict is passed, because it keeps state in mutable default arguments.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from controller.pruning.errors import StructureError
from controller.pruning.graph.concat import Concats
from controller.pruning.graph.layers import CUT_LAYERS, Conv
from controller.pruning.graph.opaque import close
from controller.pruning.model.outputs import tensors

Place = tuple[int, int]
"""One row of one side of one node: the side's number, and the row."""

REACHES_OUTPUT = "reaches the model's output"


@dataclass(frozen=True, slots=True)
class Side:
    """The channels that a layer makes, or those that it reads. Of layers that do both at once there is one side."""

    layer: str
    output: bool


@dataclass(slots=True)
class Dependencies:
    """`sides` by number, `None` for steps without a name; `links` join rows; `blocked` rows have a reason to stay."""

    sides: list[Side | None] = field(default_factory=list)
    links: list[tuple[Place, Place]] = field(default_factory=list)
    blocked: dict[Place, str] = field(default_factory=dict)


class _Traced(nn.Module):
    """The model between an entry and an exit that can be told apart in its graph."""

    def __init__(self, model: nn.Module, sample: torch.Tensor) -> None:
        super().__init__()
        kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
        self.entry = kinds[sample.ndim](sample.shape[1]) if sample.ndim in kinds else nn.Identity()
        self.model = model

    def forward(self, batch: torch.Tensor) -> list[torch.Tensor]:
        return [made * 1 for made in tensors(self.model(self.entry(batch)))]


def dependencies(model: nn.Module, sample: torch.Tensor) -> Dependencies:
    """What depends on what in `model`; `sample` is one batch. Raises `StructureError`."""
    traced = copy.deepcopy(model).eval().requires_grad_(True)
    names = {module: name for name, module in traced.named_modules()}
    for module, name in names.items():
        close(module, name)
    return _Walk(*_graph(_Traced(traced, sample), sample), names).follow()


def _graph(model: nn.Module, sample: torch.Tensor) -> tuple[Any, Mapping[Any, str]]:
    """The graph, and the nodes through which the library cannot map rows, each with the reason."""
    graph, concats, failed = tp.DependencyGraph(), Concats(), dict[Any, str]()
    try:
        with torch.enable_grad(), warnings.catch_warnings(), concats:
            warnings.simplefilter("ignore")
            graph.build_dependency(
                model,
                example_inputs=sample,
                forward_fn=lambda module, batch: module(batch),
                output_transform=lambda output: output,
                unwrapped_parameters=[],
                customized_pruners={},
                ignored_layers=[],
                ignored_params=[],
                verbose=False,
            )
    except Exception as error:  # the tracer runs the operator's code and raises anything
        if not hasattr(graph, "module2node"):
            reason, shape = str(error).splitlines()[:1], list(sample.shape)
            raise StructureError(
                f"the model cannot be traced for pruning with an input of {shape}: "
                f"{type(error).__name__}: {''.join(reason)}"
            ) from error
        failed = _map_each(graph)  # traced: only a step's mapping of rows failed
    concats.correct(graph)
    return graph, failed


def _map_each(graph: Any) -> dict[Any, str]:
    """Let the library map rows for one node at a time, so that it fails only where it must."""
    failed = {}
    for module, node in graph.module2node.items():
        alone = copy.copy(graph)
        alone.module2node = {module: node}
        try:
            tp.dependency.shape_infer.init_shape_information(alone)
            tp.dependency.index_mapping.update_index_mapping(alone)
        except Exception as error:  # it was not made for this step
            failed[node] = f"runs through a {node.type.name.lower()} that torch-pruning cannot follow: {error}"
    return failed


class _Walk:
    """Follows every row of every layer along the graph's edges, each once."""

    def __init__(self, graph: Any, failed: Mapping[Any, str], names: Mapping[nn.Module, str]) -> None:
        self._graph, self._failed, self._names = graph, failed, names
        self._numbers: dict[tuple[Any, Any], int] = {}
        self._seen: dict[int, set[int]] = {}
        self._found = Dependencies()

    def follow(self) -> Dependencies:
        pending = list(self._starts())
        while pending:
            node, handler, rows = pending.pop()
            if (reason := self._stop(node)) is not None:
                self._found.blocked.update(((self._number(node, handler), row), reason) for row in rows)
                continue
            for edge in node.dependencies:
                if edge.is_triggered_by(handler):
                    pending.extend(self._along(edge, node, handler, rows))
        return self._found

    def _starts(self) -> Iterator[tuple[Any, Any, list[int]]]:
        for layer, node in self._graph.module2node.items():
            if layer in self._names and isinstance(layer, (Conv, nn.Linear)):
                pruner = self._graph.get_pruner_of_module(layer)
                ends = [(pruner.prune_out_channels, pruner.get_out_channels(layer))]
                if isinstance(layer, Conv) and layer.groups > 1:
                    ends.append((pruner.prune_in_channels, layer.in_channels))
                for handler, rows in ends:
                    fresh = self._fresh(self._number(node, handler), range(rows))
                    yield node, handler, fresh

    def _along(self, edge: Any, node: Any, handler: Any, rows: list[int]) -> Iterator[tuple[Any, Any, list[int]]]:
        here, there = self._number(node, handler), self._number(edge.target, edge.handler)
        try:
            reached = [tp._helpers._HybridIndex(idx=row, root_idx=row) for row in rows]
            for mapping in edge.index_mapping:
                reached = reached if mapping is None else mapping(reached)
            pairs = [(int(each.root_idx), int(each.idx)) for each in reached]
        except Exception as error:  # the library's mappings fail on shapes that they were not made for
            reason = f"runs through a step that torch-pruning cannot follow ({type(error).__name__}: {error})"
            self._found.blocked.update(((here, row), reason) for row in rows)
            return
        if (stop := self._stop(edge.target)) is not None:
            self._found.blocked.update(((here, source), stop) for source, _ in pairs)
            return
        self._found.links.extend(((here, source), (there, target)) for source, target in pairs)
        fresh = self._fresh(there, (target for _, target in pairs))
        if fresh:
            yield edge.target, edge.handler, fresh

    def _fresh(self, number: int, rows: Iterable[int]) -> list[int]:
        fresh = sorted({*rows} - self._seen[number])
        self._seen[number].update(fresh)
        self._found.links.extend(((number, row), (number, row)) for row in fresh)
        return fresh

    def _number(self, node: Any, handler: Any) -> int:
        key = (node, handler)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._seen[self._numbers[key]] = set()
            self._found.sides.append(self._side(node, handler))
        return self._numbers[key]

    def _side(self, node: Any, handler: Any) -> Side | None:
        layer = node.module
        if not isinstance(layer, CUT_LAYERS) or layer not in self._names:
            return None
        if isinstance(layer, nn.PReLU) and layer.num_parameters == 1:
            return None
        return Side(self._names[layer], bool(self._graph.is_out_channel_pruning_fn(handler)))

    def _stop(self, node: Any) -> str | None:
        """Why nothing may be removed that reaches this node."""
        layer, reason = node.module, self._failed.get(node) or getattr(node.grad_fn, "reason", None)
        if isinstance(reason, str):
            return reason
        if node.type == tp.ops.OPTYPE.OUTPUT:
            return REACHES_OUTPUT
        if isinstance(layer, nn.Parameter):
            return self._parameter(layer)
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer not in self._names:
            return "reads the model's input"
        if isinstance(layer, Conv) and layer.groups == layer.out_channels != layer.in_channels and layer.groups > 1:
            return (
                f"runs through the grouped convolution '{self._names[layer]}', which joins several inputs to one output"
            )
        if isinstance(layer, Conv) and layer.transposed and layer.groups > 1 and layer.groups != layer.out_channels:
            return f"runs through the grouped transposed convolution '{self._names[layer]}'"
        return None

    def _parameter(self, parameter: nn.Parameter) -> str:
        name = str(self._graph._param_to_name[parameter]).removeprefix("model.")
        owner = next(module for module in self._names if any(own is parameter for own in module._parameters.values()))
        return f"runs through the parameter '{name}' of {type(owner).__name__}"
