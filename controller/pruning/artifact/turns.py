"""Artifacts by turns in one process: how long one's inferences take beside the others'.

A host is a quarter slower in one minute than in the next, and one process than another beside it: a memory page laid
out otherwise, a neighbour on the same core. Inferences a few milliseconds apart in one process share all of that. From
process to process their proportion still differs, by 5 % where they are short (standard deviation of 14), whether 25
inferences of each were timed or 60. So many processes of few inferences tell more than few of many, and as starting one
takes longer than its inferences, a process that has the runtime loaded has them timed in children of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from agent.worker.ask import TrialError
from agent.worker.runtime import Session, backend, example
from agent.worker.timing import GAP_S, LEAST_SAMPLES, SAMPLES_S, WARM_UP_S, as_many, timed_run

_WARMUP = 10
_TIMEOUT_S = 300.0


class Turns:
    """Times the artifacts at `paths` as often as it is asked, `samples` inferences of each, fewer where one takes
    seconds; a context that ends its process."""

    def __init__(self, paths: Sequence[Path], runtime: str, seed: int, samples: int) -> None:
        self._command = [sys.executable, "-m", __name__, runtime, str(seed), str(samples), *map(str, paths)]
        self._samples = samples

    def __enter__(self) -> Turns:
        self._errors = tempfile.TemporaryFile()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=self._errors)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._process.kill()
        with self._errors, contextlib.suppress(BrokenPipeError), self._process:  # it may have ended before
            pass

    def take(self) -> NDArray[np.float64]:
        """`[samples, paths]` seconds of CPU, of one inference of each after the other, in a process of its own.

        Each follows a pause, as in service. Raises `TrialError`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Event()
        too_long = threading.Timer(_TIMEOUT_S, self._end, (late,))
        too_long.start()
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            too_long.cancel()
        if not line:
            raise TrialError(self._why(late.is_set()))
        return np.asarray(json.loads(line), dtype=np.float64)

    def _why(self, late: bool) -> str:
        if late:
            return f"{self._samples} inferences took longer than {_TIMEOUT_S:.0f} s"
        code = self._process.wait()
        self._errors.seek(0)
        told = self._errors.read().decode(errors="replace").strip()[-300:]
        return f"the measuring process ended with code {code}: {told}"

    def _end(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()


def _timed(sessions: list[Session], seed: int, samples: int) -> list[list[float]]:
    """`[samples][session]` seconds of CPU."""
    inputs = [example(each, np.random.default_rng(seed)) for each in sessions]

    def round_robin() -> list[float]:
        row = list[float]()
        for session, sample in zip(sessions, inputs, strict=True):
            time.sleep(GAP_S)
            row.append(timed_run(session, sample)[1].cpu_s)
        return row

    for _ in as_many(_WARMUP, 1, WARM_UP_S):
        round_robin()
    return [round_robin() for _ in as_many(samples, LEAST_SAMPLES, SAMPLES_S)]


def _in_a_child(runtime: str, seed: int, samples: int, paths: Sequence[str]) -> bytes:
    """What a child says of the times that it took. Ends this process too where the child does not come to that."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        sessions = [backend(runtime).open_session(each) for each in paths]
        with os.fdopen(write, "wb") as out:
            out.write(json.dumps(_timed(sessions, seed, samples)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        times = said.read()
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
    return times


def main(runtime: str, seed: str, samples: str, *paths: str) -> None:
    """For each line on stdin one on stdout: the seconds of CPU, a row an inference of each, as JSON."""
    backend(runtime)
    for _ in sys.stdin.buffer:
        sys.stdout.buffer.write(_in_a_child(runtime, int(seed), int(samples), paths) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
