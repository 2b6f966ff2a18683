"""Residual blocks that can be dropped whole: with all its parameters zero such a block hands its input through."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import nn

from controller.pruning.graph.layers import Conv
from controller.pruning.graph.probe import unsound
from controller.pruning.graph.structure import Structure, within

_Calls = dict[str, list[tuple[torch.Tensor, torch.Tensor]]]


@torch.no_grad()
def find_blocks(model: nn.Module, probes: torch.Tensor) -> tuple[str, ...]:
    """The sorted names of the smallest modules that with zero parameters return exactly their input for `probes`.

    A residual block with identity shortcut does, and so does a pre-norm transformer layer. Dropping one is replacing
    it by the identity. Not all of a model's layers are offered: where its blocks are all it has, the first stays.
    """
    zeroed = copy.deepcopy(model).eval()
    layers = dict(zeroed.named_modules())
    uses = Counter(id(each) for _, each in model.named_parameters(remove_duplicate=False))
    candidates = [name for name in layers if name and _candidate(model.get_submodule(name), uses)]
    found: list[str] = []
    for name, calls in _calls(model, candidates, probes).items():
        for parameter in layers[name].parameters():
            parameter.zero_()
        if calls and all(_hands_through(layers[name], read) for read, _ in calls):
            found.append(name)
        restored = dict(model.get_submodule(name).named_parameters())
        for key, parameter in layers[name].named_parameters():
            parameter.copy_(restored[key])
    smallest = [name for name in found if not any(other != name and within(other, (name,)) for other in found)]
    offered = tuple(sorted(smallest[1:] if _is_all(model, smallest) else smallest))
    return offered if _droppable(model, probes, offered) else _droppable_together(model, probes, offered)


def _candidate(module: nn.Module, uses: Counter[int]) -> bool:
    """True for a part with layers of its own whose parameters are nobody else's."""
    layers = [part for part in module.modules() if isinstance(part, (Conv, nn.Linear))]
    return module not in layers and bool(layers) and all(uses[id(each)] == 1 for each in module.parameters())


def _calls(model: nn.Module, names: list[str], probes: torch.Tensor) -> _Calls:
    """Input and output of every call of the named modules that take one tensor and return one of its shape."""
    calls: _Calls = {name: [] for name in names}
    unfit = set[str]()

    def hook(name: str) -> Any:
        def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], made: Any) -> None:
            tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor)]
            if len(tensors) != 1 or not isinstance(made, torch.Tensor) or tensors[0].shape != made.shape:
                unfit.add(name)
            else:
                calls[name].append((tensors[0].clone(), made))

        return note

    handles = [model.get_submodule(n).register_forward_hook(hook(n), with_kwargs=True) for n in names]
    try:
        model.eval()(probes)
    finally:
        for handle in handles:
            handle.remove()
    return {name: made for name, made in calls.items() if name not in unfit}


def _hands_through(zeroed: nn.Module, read: torch.Tensor) -> bool:
    made = zeroed(read.clone())
    return isinstance(made, torch.Tensor) and bool(read.abs().max() > 0) and torch.equal(made, read)


def _droppable_together(model: nn.Module, probes: torch.Tensor, blocks: tuple[str, ...]) -> tuple[str, ...]:
    taken: tuple[str, ...] = ()
    for block in blocks:
        if _droppable(model, probes, (*taken, block)):
            taken = (*taken, block)
    return taken


def _droppable(model: nn.Module, probes: torch.Tensor, blocks: tuple[str, ...]) -> bool:
    return unsound(model, probes, (), Structure({}, blocks)) is None


def _is_all(model: nn.Module, blocks: list[str]) -> bool:
    return bool(blocks) and all(within(name, blocks) for name, _ in model.named_parameters())
