"""Latency as benchmarks are read: inferences back to back on one thread, beside the dense artifact.

What devices are held to is measured with a pause before each inference, as in service. There every run pays for a cold
cache, whatever was pruned.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from agent.worker.backends.onnx import OnnxSession
from agent.worker.runtime import example
from agent.worker.tensors import Tensors

_PROCESSES, _SPELLS, _LASTS_S = 3, 4, 0.12


def speedup(artifact: Path, dense: Path) -> float:
    """How often `artifact` runs while `dense` runs once: of either the least median of all spells."""
    medians = [_ask(dense, artifact) for _ in range(_PROCESSES)]
    dense_s, artifact_s = map(min, zip(*medians, strict=True))
    return dense_s / artifact_s


def _ask(*artifacts: Path) -> list[float]:
    command = [sys.executable, "-m", __name__, *map(str, artifacts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [min(spells) for spells in json.loads(done.stdout)]


def _spells(artifacts: list[str]) -> list[list[float]]:
    """`[artifact][spell]` medians in seconds of CPU. They take turns, so that a slower second is nobody's alone."""
    sessions = [OnnxSession(each) for each in artifacts]
    inputs = [example(each, np.random.default_rng(0)) for each in sessions]
    rows = [[_median_s(*each) for each in zip(sessions, inputs, strict=True)] for _ in range(1 + _SPELLS)]
    return [list(each) for each in zip(*rows[1:], strict=True)]  # the first one warms up


def _median_s(session: OnnxSession, inputs: Tensors) -> float:
    times, began = list[float](), time.monotonic()
    while time.monotonic() - began < _LASTS_S:
        start = time.thread_time()
        session.run(inputs)
        times.append(time.thread_time() - start)
    return float(np.median(times))


if __name__ == "__main__":
    print(json.dumps(_spells(sys.argv[1:])))
