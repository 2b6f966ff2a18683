"""What the exporter and the runtime make one kernel of.

Batch norms go into the layer before them. In fp32 an addition goes into the convolution that made one of its terms, and
a cheap activation into either; in int8 an activation that only clips is the clipping of the quantiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.core.nouns.variant import Precision
from controller.pruning.cost.trace import Step, Trace

_FUSED_ACTIVATIONS = frozenset(("Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid"))
_MARKS = {"batch_norm": "norm", "binary": "add", "unary": "act"}


def fuse(traced: Trace, precision: Precision) -> Trace:
    """`traced` with every step that melts into the one before it merged with that."""
    kept: dict[int, Step] = {}  # by output tensor, in order
    readers = _readers(traced)
    for step in traced.steps:
        host = _host(step, kept, readers, traced.output, precision)
        if host is not None:
            del kept[host.output]
            step = _merged(host, step)
        kept[step.output] = step
    return replace(traced, steps=tuple(kept.values()))


def _readers(traced: Trace) -> Mapping[int, int]:
    counts: dict[int, int] = {}
    for step in traced.steps:
        for tensor in set(step.inputs):
            counts[tensor] = counts.get(tensor, 0) + 1
    return counts


def _host(
    step: Step, kept: Mapping[int, Step], readers: Mapping[int, int], result: int, precision: Precision
) -> Step | None:
    """The step that `step` melts into: the latest maker of one of its inputs that nobody else reads."""
    makers = [kept[tensor] for tensor in set(step.inputs) if tensor in kept and tensor != result]
    for host in sorted(makers, key=lambda each: -each.row):
        if readers[host.output] == 1 and _melts(host, step, precision):
            return host
    return None


def _melts(host: Step, step: Step, precision: Precision) -> bool:
    into, what = host.work, step.work
    if into is None or what is None or "act" in into.fused:
        return False
    match what.kind:
        case "batch_norm":
            return into.kind in ("conv", "gemm") and not into.fused
        case "binary":
            adds = what.fixed == ("Add", "same") and len(set(step.inputs)) == 2
            return adds and precision is Precision.FP32 and into.kind == "conv" and "add" not in into.fused
        case "unary" if precision is Precision.INT8:
            return what.fixed[0] in ("Relu", "Clip") and into.kind in ("conv", "gemm", "binary")
        case "unary":
            return what.fixed[0] in _FUSED_ACTIVATIONS and into.kind == "conv"
        case _:
            return False


def _merged(host: Step, step: Step) -> Step:
    assert host.work is not None
    assert step.work is not None
    mark = _MARKS[step.work.kind]
    # A folded norm leaves a bias, and none more where the layer already has one.
    bias = step.weights[:1] if mark == "norm" and len(host.weights) < 2 else ()
    others = tuple(tensor for tensor in step.inputs if tensor != host.output)
    return replace(
        step,
        name=f"{host.name}+{step.name}",
        work=replace(host.work, fused=(*host.work.fused, mark)),
        inputs=(*host.inputs, *others),
        weights=(*host.weights, *bias),
    )
