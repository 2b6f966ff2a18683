"""Which buffers live at each step, as the runtime shares them: views and in-place results take their input's buffer.

What a step makes besides its output takes memory only where it is read: the runtime is not asked for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.pruning.cost.trace import Step, Trace

ALIGN_BYTES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Liveness:
    """`live[row, buffer]` is 1 where a buffer is held; `tensors[buffer]` is a tensor of its size."""

    tensors: tuple[int, ...]
    live: NDArray[np.float64]


def liveness(traced: Trace, rows: int) -> Liveness:
    """The live buffers at each of `rows` steps of `traced`, whose steps are numbered by `Step.row`."""
    buffer, last = {traced.input: 0}, _last_reads(traced)
    tensors, start, end = [traced.input], [-1], [last.get(traced.input, -1)]
    for step in traced.steps:
        shared = _shared(step, traced, buffer, end, last)
        fresh = [each for each in step.further if each in last]
        if shared is None:
            fresh.append(step.output)
        else:
            buffer[step.output] = shared
            end[shared] = max(end[shared], step.row, last.get(step.output, -1))
        for tensor in fresh:
            buffer[tensor] = len(tensors)
            tensors.append(tensor)
            start.append(step.row)
            end.append(max(step.row, last.get(tensor, -1)))
    live = np.zeros((rows, len(tensors)))
    for step in traced.steps:
        if step.work is not None:
            live[step.row] = [first <= step.row <= final for first, final in zip(start, end, strict=True)]
    return Liveness(tuple(tensors), live)


def _last_reads(traced: Trace) -> dict[int, int]:
    last = {tensor: step.row for step in traced.steps for tensor in step.inputs}
    last[traced.output] = max((step.row for step in traced.steps), default=0)
    return last


def _shared(step: Step, traced: Trace, buffer: dict[int, int], end: Sequence[int], last: dict[int, int]) -> int | None:
    """The buffer of an input that the result takes over."""
    if step.work is None:
        return buffer[step.inputs[0]]
    if step.work.fresh and "add" not in step.work.fused:
        return None
    size = np.prod(traced.shapes[step.output])
    for tensor in step.inputs[1:] if step.work.fresh else step.inputs:
        dies = end[buffer[tensor]] == last[tensor] == step.row and buffer[tensor] != 0
        if dies and np.prod(traced.shapes[tensor]) == size:
            return buffer[tensor]
    return None
