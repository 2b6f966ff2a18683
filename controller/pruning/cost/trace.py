"""One run of a model as the steps the runtime takes: kinds, shapes, and which residual block owns them.

The model is run once under a dispatch mode, which sees the operators that modules and functions come down to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from controller.pruning.cost.lower import Lowered, lower
from controller.pruning.errors import TraceError
from controller.pruning.model.outputs import tensors

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One operator. `work` is None where the runtime does nothing (a view); tensors are numbers into `Trace.shapes`.

    `weights` are the shapes of the parameters it reads, as the artifact stores them; `row` numbers the step for good,
    whatever is dropped or fused later. `further` is what it makes besides: an LSTM's last states, a pooling's indices.
    """

    name: str
    work: Lowered | None
    inputs: tuple[int, ...]
    output: int
    weights: tuple[Shape, ...]
    owners: tuple[str, ...]
    row: int
    further: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """`calls` are the (input, output) tensors of every call of a module that was watched."""

    steps: tuple[Step, ...]
    shapes: tuple[Shape, ...]
    input: int
    output: int
    calls: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """More than any step's row."""
        return 1 + max((step.row for step in self.steps), default=-1)


@torch.no_grad()
def trace(model: nn.Module, sample: torch.Tensor, watched: Collection[str] = ()) -> Trace:
    """The steps of `model` on `sample` (one batch); `watched` modules are noted as owners. Raises `TraceError`."""
    recorder = _Recorder(model)
    start = recorder.number(sample)
    handles = list(_watch(model, recorder, watched))
    fast, was_training = torch.backends.mha.get_fastpath_enabled(), model.training
    torch.backends.mha.set_fastpath_enabled(False)  # one opaque operator otherwise
    model.eval()
    try:
        with recorder:
            result = model(sample)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        model.train(was_training)
        for handle in handles:
            handle.remove()
    outputs = [recorder.numbers.get(id(each)) for each in tensors(result)]
    if not outputs or outputs[0] is None:
        raise TraceError("the model's output does not come from its input")
    steps = _needed(recorder.steps, {*outputs, *recorder.changed})
    return Trace(steps, tuple(recorder.shapes), start, outputs[0], _frozen(recorder.calls))


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Numbers every tensor that depends on the input; one that does not is a weight, and the exporter folds it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers: dict[int, int] = {}
        self.shapes: list[Shape] = []
        self.steps: list[Step] = []
        self.changed: set[int] = set()  # made in place: what else holds that memory reads it unseen
        self.owners: list[str] = []
        self.calls: dict[str, list[tuple[int, int]]] = {}
        self._alive: list[torch.Tensor] = [*model.parameters(), *model.buffers()]  # ids are not used again

    def number(self, tensor: torch.Tensor) -> int:
        self._alive.append(tensor)
        self.shapes.append(tuple(tensor.shape))
        self.numbers[id(tensor)] = len(self.shapes) - 1
        return len(self.shapes) - 1

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        read = list(tensors((args, kwargs)))
        inputs = tuple(self.numbers[id(each)] for each in read if id(each) in self.numbers)
        made = list(tensors(result))
        if not inputs or not made:
            self._alive.extend(made)
            return result
        weights = tuple(tuple(each.shape) for each in read if id(each) not in self.numbers)
        called = func.overloadpacket.__name__
        name = called.rstrip("_")
        known = frozenset(id(each) for each in read if id(each) in self.numbers)
        for first, *more in [[each] for each in made] if name in _SPLITS else [made]:
            lowered = lower(name, args, kwargs, first, known)
            shapes = weights if lowered is not None and lowered.reads_weights else ()
            output, further = self.number(first), tuple(map(self.number, more))
            if name != called:
                self.changed.add(output)
            row, owners = len(self.steps), tuple(self.owners)
            self.steps.append(Step(name, lowered, inputs, output, shapes, owners, row, further))
        return result


_SPLITS = ("split", "split_with_sizes", "chunk", "unbind")


def _needed(steps: Sequence[Step], wanted: set[int | None]) -> tuple[Step, ...]:
    """The steps that the `wanted` tensors come from. The exporter leaves out the others."""
    kept = list[Step]()
    for step in reversed(steps):
        if not wanted.isdisjoint((step.output, *step.further)):
            wanted.update(step.inputs)
            kept.append(step)
    return tuple(reversed(kept))


def _watch(model: nn.Module, recorder: _Recorder, watched: Collection[str]) -> Iterator[Any]:
    modules = dict(model.named_modules())
    for name in watched:
        enter, leave = _hooks(name, recorder)
        yield modules[name].register_forward_pre_hook(enter)
        yield modules[name].register_forward_hook(leave)


def _hooks(name: str, recorder: _Recorder) -> tuple[Any, Any]:
    def enter(_module: nn.Module, _inputs: Any) -> None:
        recorder.owners.append(name)

    def leave(_module: nn.Module, inputs: Any, output: Any) -> None:
        recorder.owners.pop()
        read, made = next(tensors(inputs)), next(tensors(output))
        recorder.calls.setdefault(name, []).append((recorder.numbers[id(read)], recorder.numbers[id(made)]))

    return enter, leave


def _frozen(calls: Mapping[str, list[tuple[int, int]]]) -> dict[str, tuple[tuple[int, int], ...]]:
    return {name: tuple(pairs) for name, pairs in calls.items()}


def drop(traced: Trace, blocks: Collection[str]) -> Trace:
    """`traced` without the steps of `blocks`, whose outputs are then their inputs."""
    alias = {made: read for name in blocks for read, made in traced.calls.get(name, ()) if read != made}

    def follow(tensor: int) -> int:
        while tensor in alias:
            tensor = alias[tensor]
        return tensor

    gone = set(blocks)
    steps = (
        replace(step, inputs=tuple(map(follow, step.inputs))) for step in traced.steps if gone.isdisjoint(step.owners)
    )
    return replace(traced, steps=tuple(steps), output=follow(traced.output))
