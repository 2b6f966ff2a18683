"""Residual blocks that can be dropped whole: with all its parameters zero such a block hands its input through."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import nn

from controller.pruning.graph.layers import Conv
from controller.pruning.graph.structure import within

_Calls = dict[str, list[tuple[torch.Tensor, torch.Tensor]]]


@torch.no_grad()
def find_blocks(model: nn.Module, probes: torch.Tensor) -> tuple[str, ...]:
    """The sorted names of the smallest modules that with zero parameters return exactly their input for `probes`.

    A residual block with identity shortcut does, and so does a pre-norm transformer layer. Dropping one is replacing
    it by the identity. Not all of a model's layers are offered: where its blocks are all it has, the first stays.
    """
    zeroed = copy.deepcopy(model).eval()
    layers = dict(zeroed.named_modules())
    candidates = [name for name in layers if _candidate(zeroed, name)]
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
    return tuple(sorted(smallest[1:] if _is_all(model, smallest) else smallest))


def _candidate(model: nn.Module, name: str) -> bool:
    """True for a part with layers of its own whose parameters are nobody else's."""
    module = model.get_submodule(name)
    if not name or not any(isinstance(part, (Conv, nn.Linear)) for part in module.modules()):
        return False
    if isinstance(module, (Conv, nn.Linear)):
        return False
    uses = Counter(id(each) for _, each in model.named_parameters(remove_duplicate=False))
    return all(uses[id(parameter)] == 1 for parameter in module.parameters())


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


def _is_all(model: nn.Module, blocks: list[str]) -> bool:
    return bool(blocks) and all(within(name, blocks) for name, _ in model.named_parameters())
