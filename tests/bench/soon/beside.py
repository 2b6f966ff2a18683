"""Artifacts beside each other: how long they take, and which samples they are right on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent.wire.profile import Runtime
from controller.pruning.artifact.export import run_artifact
from controller.pruning.artifact.turns import by_turns
from controller.pruning.judge.accuracy import right

PROCESSES, INFERENCES = 5, 60


def shares(dense: Path, others: Sequence[Path]) -> list[float]:
    """Of the dense artifact's median latency, by turns; the middle of several processes.

    All follow the dense one, as an inference after that of a small artifact is faster.
    """
    turns = [path for each in others for path in (dense, each)]
    medians = [np.median(by_turns(turns, Runtime.ONNXRUNTIME, seed, INFERENCES), axis=0) for seed in range(PROCESSES)]
    return [float(each) for each in np.median([found[1::2] / found[::2] for found in medians], axis=0)]


def rights(artifacts: Sequence[Path], judged: Callable[[], tuple[Any, Any]]) -> Any:
    """`[artifacts, samples]` of 1 and 0."""
    inputs, labels = judged()
    return np.array([right(run_artifact(each.read_bytes(), inputs), labels) for each in artifacts], np.int64)
