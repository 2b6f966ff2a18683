"""Artifacts by turns in one process: how long one's inferences take beside the others'.

A host is a quarter slower in one minute than in the next, and one process than another beside it: a memory page laid
out otherwise, a neighbour on the same core. Inferences a few milliseconds apart in one process share all of that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.worker.ask import TrialError
from agent.worker.runtime import Session, backend, example
from agent.worker.timing import GAP_S, LEAST_SAMPLES, SAMPLES_S, WARM_UP_S, as_many, timed_run

_WARMUP = 20
_TIMEOUT_S = 300.0


def by_turns(paths: Sequence[Path], runtime: str, seed: int, samples: int) -> NDArray[np.float64]:
    """`[samples, paths]` seconds of CPU, of one inference of each after the other.

    Each follows a pause, as in service. Where one takes seconds there are fewer. Raises `TrialError`.
    """
    command = [sys.executable, "-m", __name__, runtime, str(seed), str(samples), *map(str, paths)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise TrialError(f"{samples} inferences took longer than {_TIMEOUT_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip()[-300:]
        raise TrialError(f"the measuring process ended with code {error.returncode}: {told}") from None
    return np.asarray(json.loads(done.stdout), dtype=np.float64)


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


def main(runtime: str, seed: str, samples: str, *paths: str) -> None:
    """Write the seconds of CPU, a row an inference of each, as JSON."""
    sessions = [backend(runtime).open_session(each) for each in paths]
    sys.stdout.write(json.dumps(_timed(sessions, int(seed), int(samples))))


if __name__ == "__main__":
    main(*sys.argv[1:])
