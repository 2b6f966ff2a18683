"""One timed inference: wall, and CPU time of the thread at the resolution of CLOCK_THREAD_CPUTIME_ID, nanoseconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from agent.worker.runtime import Session
from agent.worker.tensors import Tensors

# Inferences come one by one with a pause, as in service: back to back they would run from a warm cache and flatter.
GAP_S = 0.004
LEAST_SAMPLES = 5
WARM_UP_S, SAMPLES_S = 10.0, 60.0  # of a model with more than 1.5 s an inference there are fewer than 40 samples


@dataclass(frozen=True, slots=True)
class Timed:
    wall_s: float
    cpu_s: float


def timed_run(session: Session, inputs: Tensors) -> tuple[list[NDArray[Any]], Timed]:
    wall, cpu = time.perf_counter(), time.thread_time()
    outputs = session.run(inputs)
    return outputs, Timed(time.perf_counter() - wall, time.thread_time() - cpu)


def as_many(count: int, least: int, within_s: float) -> Iterator[int]:
    """1 to `count`, ending early once `within_s` are over, but never before `least`."""
    until_s = time.monotonic() + within_s
    for number in range(1, count + 1):
        if number > least and time.monotonic() >= until_s:
            return
        yield number
