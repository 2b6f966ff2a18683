"""The runs that all sizes are read off: the dense model's, and for each group one at the width next to its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from controller.pruning.cost.trace import Trace, trace
from controller.pruning.graph.cut import cut, grown
from controller.pruning.graph.structure import ChannelGroup, Structure, full


@dataclass(frozen=True, slots=True)
class Runs:
    """`others[i]` is a run of a model whose group `groups[i]` has `more[i]` units more (-1: one less), step for step
    the `dense` one. `refused` says of each root why its group has none, and must be kept dense."""

    groups: tuple[ChannelGroup, ...]
    blocks: tuple[str, ...]
    dense: Trace
    others: tuple[Trace, ...]
    refused: Mapping[str, str]

    @property
    def more(self) -> tuple[int, ...]:
        return tuple(map(_more, self.groups))


def run_widths(
    model: nn.Module, sample: torch.Tensor, groups: tuple[ChannelGroup, ...], blocks: Collection[str]
) -> Runs:
    """The runs of the dense `model` on `sample`, one batch of 1. Raises `TraceError` where there is none at all."""
    dense, others, refused = trace(model, sample, blocks), dict[str, Trace](), dict[str, str]()
    for group in groups:
        made = _run(_neighbour(model, groups, group), sample, blocks)
        if isinstance(made, str):
            refused[group.root] = made
        elif _skeleton(made) == _skeleton(dense):
            others[group.root] = made
        else:
            refused[group.root] = "changes with its width which operators run"
    told = tuple(group for group in groups if group.root in others)
    return Runs(told, tuple(blocks), dense, tuple(others.values()), refused)


def _run(neighbour: nn.Module, sample: torch.Tensor, blocks: Collection[str]) -> Trace | str:
    """The run, or how it fails."""
    try:
        return trace(neighbour, sample, blocks)
    except Exception as error:  # the operator's code, at a width that it may not have been written for
        return f"fails at another width: {type(error).__name__}: {''.join(str(error).splitlines()[:1])}"


def _more(group: ChannelGroup) -> int:
    """A group of two has one more: with sizes of 1 other operators run, because a transpose then moves nothing."""
    return 1 if group.channels == 2 else -1


def _neighbour(model: nn.Module, groups: tuple[ChannelGroup, ...], group: ChannelGroup) -> nn.Module:
    if _more(group) > 0:
        return grown(model, group)
    dense = full(groups)
    return cut(model, groups, dense, Structure({**dense.kept, group.root: dense.kept[group.root][:-1]}))


def _skeleton(traced: Trace) -> list[object]:
    """All of a trace but the sizes."""
    return [
        (step.name, step.inputs, step.output, step.further, tuple(map(len, step.weights)))
        + (() if step.work is None else (step.work.kind, step.work.fixed, tuple(map(len, step.work.axes))))
        for step in traced.steps
    ]
