"""From the word to go until the end: windows at intervals, and inferences of our own while no application asks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from agent.wire.work import WindowLine, WorkerSpec
from agent.worker.service import Exercise, Service


def serve(
    spec: WorkerSpec,
    service: Service,
    exercise: Exercise,
    emit: Callable[[WindowLine], object],
    ending: threading.Event,
) -> None:
    """Until `ending`. An inference that is late is not made up for: real time does not come back."""
    period_s = 1.0 / spec.rate_hz
    due = time.monotonic()
    window_ends = due + spec.window_s
    while not ending.is_set():
        idle = exercise is None or service.asked
        ending.wait(max(0.0, (window_ends if idle else min(due, window_ends)) - time.monotonic()))
        now = time.monotonic()
        if now >= window_ends:
            emit(service.close_window())
            window_ends = now + spec.window_s
        elif not idle and exercise is not None and not ending.is_set():
            with contextlib.suppress(Exception):  # counted; the worker lives on
                service.infer(next(exercise))
            due = max(due + period_s, time.monotonic())
