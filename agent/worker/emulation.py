"""How long inferences would take on a slower device, told by what this host takes for a fixed job in the same moment.

CPU time alone would not do: with the clock, the caches and the neighbours of the moment it differs by a factor of two
for one and the same model, and a real device has none of that. A product of matrices timed right after the inference
has the same luck. The resolution is CLOCK_THREAD_CPUTIME_ID's, nanoseconds.
"""

from __future__ import annotations

import time
from collections import deque
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.worker.runtime import Session
from agent.worker.tensors import Tensors
from agent.worker.timing import GAP_S, Timed, timed_run

_SIDE = 64  # so small that no linear algebra library spreads it over several threads
_PRODUCTS = 8
_FLOP = 2 * _SIDE**3 * _PRODUCTS
_REMEMBERED_PRODUCTS = 15
_REMEMBERED_INFERENCES = 5  # one alone may have been interrupted, and that is this host's matter too


class Emulation:
    """A device that multiplies float32 matrices at `gflops`, in GFLOP/s."""

    def __init__(self, gflops: float) -> None:
        self._product_there_s = _FLOP / (gflops * 1e9)
        self._products_s = deque[float](maxlen=_REMEMBERED_PRODUCTS)
        self._inferences_s = deque[float](maxlen=_REMEMBERED_INFERENCES)
        self._left, self._right = np.random.default_rng(0).standard_normal((2, _SIDE, _SIDE)).astype(np.float32)
        self._product = np.empty_like(self._left)
        self._multiply()  # what the library allocates once
        self._products_s.clear()

    def latency_s(self, cpu_s: float) -> float:
        """What the device would take for the inference that took `cpu_s` of this host's CPU just now."""
        self._inferences_s.append(cpu_s)
        self._multiply()
        return median(self._inferences_s) / median(self._products_s) * self._product_there_s

    def run(self, session: Session, inputs: Tensors) -> tuple[list[NDArray[Any]], Timed]:
        """All outputs and the latency, after as long as the device would have been busy.

        An untimed run comes first, for the timed one to be like those of a trial: between two inferences this host
        falls asleep, deeper than a device that is busy for a good part of the time.
        """
        began_s = time.perf_counter()
        session.run(inputs)
        self._multiply()
        time.sleep(GAP_S)
        outputs, timed = timed_run(session, inputs)
        latency_s = self.latency_s(timed.cpu_s)
        time.sleep(max(0.0, latency_s - (time.perf_counter() - began_s)))
        return outputs, Timed(latency_s, timed.cpu_s)

    def _multiply(self) -> None:
        began_s = time.thread_time()
        for _ in range(_PRODUCTS):
            np.dot(self._left, self._right, out=self._product)
        self._products_s.append(time.thread_time() - began_s)
