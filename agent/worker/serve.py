"""Paced inference on the application's recorded inputs, one summary a window.

Stands where an application's requests will come in; the cadence, the latency and the memory are the real ones.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.wire.work import WindowLine, WorkerSpec
from agent.worker import memory
from agent.worker.runtime import Session, Tensors
from agent.worker.timing import timed_run
from agent.worker.trial import percentiles

_MAX_KEPT = 10_000  # latencies kept of one window; beyond it the rest is counted, not ranked


Recorded = NDArray[Any] | None


def recorded_inputs(spec: WorkerSpec) -> Recorded:
    """The application's recorded inputs `[n, *input_shape]`, None where there are none.

    Read whole and early, so that they count as the application's memory and not, page by page, as the model's.
    Raises OSError or ValueError where the file is not such an array.
    """
    if spec.replay is None:
        return None
    recorded: NDArray[Any] = np.load(spec.replay, allow_pickle=False)
    return recorded


def serve(spec: WorkerSpec, session: Session, recorded: Recorded, emit: Callable[[WindowLine], object]) -> None:
    """Run one inference every 1/rate seconds, for ever. A late one is not made up for: real time does not come back."""
    inputs = _inputs(spec, session, recorded)
    period_s = 1.0 / spec.rate_hz
    window = _OpenWindow(spec)
    due = time.monotonic()
    while True:
        due = max(due + period_s, time.monotonic())
        _sleep_until(min(due, window.ends))
        if time.monotonic() >= window.ends:
            emit(window.close())
            window = _OpenWindow(spec)
            _sleep_until(due)
        window.add(session, next(inputs))


def _inputs(spec: WorkerSpec, session: Session, recorded: Recorded) -> Iterator[Tensors]:
    if recorded is None:
        rng = np.random.default_rng(spec.golden_seed)
        return itertools.cycle([session.example(rng) for _ in range(16)])
    return (session.bind(recorded[index % len(recorded)]) for index in itertools.count())


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


class _OpenWindow:
    def __init__(self, spec: WorkerSpec) -> None:
        self._slowdown = spec.emulated_slowdown
        self._began = time.monotonic()
        self.ends = self._began + spec.window_s
        self._latencies_ms: list[float] = []
        self._count = self._errors = 0
        self._busy_s = 0.0

    def add(self, session: Session, inputs: Tensors) -> None:
        self._count += 1
        try:
            timed = timed_run(session, inputs)
        except Exception:  # a failed inference is counted; the worker lives on
            self._errors += 1
            return
        latency_s = timed.latency_s(self._slowdown)
        self._busy_s += latency_s
        if len(self._latencies_ms) < _MAX_KEPT:
            self._latencies_ms.append(latency_s * 1e3)
        if self._slowdown is not None:
            time.sleep(max(0.0, latency_s - timed.wall_s))

    def close(self) -> WindowLine:
        p50, p95, p99 = percentiles(self._latencies_ms, (50, 95, 99)) if self._latencies_ms else (None, None, None)
        mean = sum(self._latencies_ms) / len(self._latencies_ms) if self._latencies_ms else None
        return WindowLine(
            duration_s=time.monotonic() - self._began,
            count=self._count,
            errors=self._errors,
            busy_s=self._busy_s,
            rss_bytes=memory.rss_bytes(),
            ram_peak_bytes=memory.peak_bytes(),
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            latency_p99_ms=p99,
            latency_mean_ms=mean,
            latency_source="measured" if self._slowdown is None else "emulated",
        )
