"""The model in use: one inference at a time, whoever asks, each counted in the window under way."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from agent.wire.work import WindowLine, WorkerSpec
from agent.worker.emulation import Emulation
from agent.worker.runtime import Session, bind, example
from agent.worker.tensors import Tensors
from agent.worker.timing import Timed, timed_run
from agent.worker.window import Window

_RANDOM_INPUTS = 16


class Service:
    """`asked` turns true with the first request of an application. Its methods may be called from any thread."""

    def __init__(self, spec: WorkerSpec, session: Session) -> None:
        self.session = session
        self.asked = False
        self._emulation = None if spec.emulated_gflops is None else Emulation(spec.emulated_gflops)
        self._turn = threading.Lock()  # one inference at a time; a window closes without waiting for its turn
        self._lock = threading.Lock()
        self._window = self._new_window()

    def infer(self, inputs: Tensors) -> list[NDArray[Any]]:
        """All outputs. Raises what the runtime raises; that is counted, and the worker lives on."""
        came_s = time.monotonic()
        with self._lock:
            self._window.asked += 1
        with self._turn:
            waited_s = time.monotonic() - came_s
            try:
                outputs, timed = self._timed(inputs)
            except Exception:
                with self._lock:
                    self._window.add_error(waited_s)
                raise
            with self._lock:
                self._window.add(timed.wall_s, timed.cpu_s, waited_s)
        return outputs

    def shed(self) -> None:
        """Somebody asked and was refused, as there was no room for it."""
        with self._lock:
            self._window.asked += 1
            self._window.shed += 1

    def _timed(self, inputs: Tensors) -> tuple[list[NDArray[Any]], Timed]:
        """The latency as it counts on this device."""
        if self._emulation is not None:
            return self._emulation.run(self.session, inputs)
        return timed_run(self.session, inputs)

    def close_window(self) -> WindowLine:
        with self._lock:
            closed, self._window = self._window, self._new_window()
        return closed.close()

    def _new_window(self) -> Window:
        return Window(emulated=self._emulation is not None)


Exercise = Iterator[Tensors] | None
"""Inputs to run the model on while no application asks."""


def recorded_inputs(exercise: str) -> NDArray[Any] | None:
    """What `exercise` names as a file; None where that is no array, for what is run while nobody asks stops nothing.

    Read whole and early, so that it counts as the application's memory and not, page by page, as the model's.
    """
    if exercise in ("none", "random"):
        return None
    try:
        recorded = np.load(Path(exercise), allow_pickle=False)
        if isinstance(recorded, np.ndarray):
            return recorded
        why = "several arrays"
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        why = str(error)
    _unused(exercise, why)
    return None


def exercise_of(spec: WorkerSpec, session: Session, recorded: NDArray[Any] | None) -> Exercise:
    """`recorded` in turn, or random inputs where there is nothing recorded that the model takes."""
    if spec.exercise == "none":
        return None
    if recorded is not None and _takes(session, recorded):
        return (bind(session, recorded[index % len(recorded)]) for index in itertools.count())
    if recorded is not None:
        _unused(spec.exercise, f"{recorded.dtype} {list(recorded.shape)} is not what the model takes")
    dice = np.random.default_rng(spec.golden_seed)
    return itertools.cycle([example(session, dice) for _ in range(_RANDOM_INPUTS)])


def _takes(session: Session, recorded: NDArray[Any]) -> bool:
    numbers = recorded.dtype.kind in "biuf" and recorded.size > 0 and recorded.ndim > 0
    return numbers and len(session.inputs) == 1 and session.inputs[0].allows((1, *recorded.shape[1:]))


def _unused(exercise: str, why: str) -> None:
    sys.stderr.write(f"replay: {exercise}: {why}; inputs are random\n")
