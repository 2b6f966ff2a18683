"""One timed inference. On an emulated device the thread's CPU time stands for the wall, times a factor.

CPU time, because several emulated devices share a host: the wall would measure the neighbours, which a real device does
not have. The resolution is CLOCK_THREAD_CPUTIME_ID's, nanoseconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from agent.worker.runtime import Session
from agent.worker.tensors import Tensors


@dataclass(frozen=True, slots=True)
class Timed:
    wall_s: float
    cpu_s: float

    def latency_s(self, slowdown: float | None) -> float:
        return self.wall_s if slowdown is None else self.cpu_s * slowdown


def timed_run(session: Session, inputs: Tensors) -> tuple[list[NDArray[Any]], Timed]:
    wall, cpu = time.perf_counter(), time.thread_time()
    outputs = session.run(inputs)
    return outputs, Timed(time.perf_counter() - wall, time.thread_time() - cpu)
