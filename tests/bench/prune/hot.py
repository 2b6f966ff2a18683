"""Latency as benchmarks are read: inferences back to back on one thread, beside the dense artifact.

What devices are held to is measured with a pause before each inference, as in service. There every run pays for a cold
cache, whatever was pruned.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from agent.worker.backends.onnx import OnnxSession
from agent.worker.runtime import example

_PROCESSES, _WARMUP_S, _LASTS_S = 5, 0.2, 0.4


def speedup(artifact: Path, dense: Path) -> float:
    """How often `artifact` runs while `dense` runs once: of either the least of several processes' medians."""
    pairs = [(_ask(dense), _ask(artifact)) for _ in range(_PROCESSES)]
    dense_s, artifact_s = map(min, zip(*pairs, strict=True))
    return dense_s / artifact_s


def _ask(artifact: Path) -> float:
    command = [sys.executable, "-m", __name__, str(artifact)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _median_s(artifact: str) -> float:
    session = OnnxSession(artifact)
    inputs = example(session, np.random.default_rng(0))
    times, began = list[float](), time.monotonic()
    while (elapsed_s := time.monotonic() - began) < _WARMUP_S + _LASTS_S:
        start = time.thread_time()
        session.run(inputs)
        if elapsed_s > _WARMUP_S:
            times.append(time.thread_time() - start)
    return float(np.median(times))


if __name__ == "__main__":
    print(_median_s(sys.argv[1]))
