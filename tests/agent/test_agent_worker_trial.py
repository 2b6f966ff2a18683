"""How long a trial measures and how often, on a clock that the model's inferences alone move."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.step.serve import VERDICT_RUNS, VERDICT_S
from agent.wire.work import GOLDEN_SAMPLES, WorkerSpec
from agent.worker import timing, trial
from agent.worker.tensors import Tensors, TensorSpec


class Slow:
    """Takes `run_s` for an inference."""

    platform = "test_v1"
    inputs = outputs = (TensorSpec("x", "FP32", (1,)),)

    def __init__(self, run_s: float) -> None:
        self.run_s, self.now_s, self.runs = run_s, 0.0, 0

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        self.now_s += self.run_s
        self.runs += 1
        return [inputs["x"]]


@pytest.mark.parametrize(
    ("run_s", "warmup", "samples"), [(0.01, 20, 40), (1.0, 10, 40), (5.0, 2, 12), (20.0, 1, 5), (60.0, 1, 5)]
)
def test_a_slow_model_is_measured_by_fewer_inferences_and_comes_to_its_verdict(
    monkeypatch: pytest.MonkeyPatch, run_s: float, warmup: int, samples: int
) -> None:
    slow = Slow(run_s)
    monkeypatch.setattr(trial, "time", SimpleNamespace(sleep=lambda _s: None))
    clocks = {"perf_counter": time.perf_counter, "thread_time": time.thread_time}
    monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=lambda: slow.now_s, **clocks))
    spec = WorkerSpec(path="", sha256="", warmup=20, samples=40)
    trial.golden_outputs(slow, 0)
    times = trial.measure(slow, spec, None, np.full((40, 2), np.nan))
    assert (slow.runs, len(times)) == (GOLDEN_SAMPLES + warmup + samples, samples)
    assert not np.isnan(times).any()
    assert slow.now_s < VERDICT_S + VERDICT_RUNS * run_s


@pytest.mark.parametrize(("then_s", "p95_s"), [(0.01, 0.01), (0.04, 0.04), (0.08, 0.05)])
def test_of_two_measurements_the_faster_one_counts(
    monkeypatch: pytest.MonkeyPatch, then_s: float, p95_s: float
) -> None:
    """A device that was slow for some seconds is judged by what it does after them; a slow one stays slow."""
    model = Slow(0.05)

    def sleep(seconds: float) -> None:
        if seconds == trial.AGAIN_S:
            model.run_s = then_s

    monkeypatch.setattr(trial, "time", SimpleNamespace(sleep=sleep))
    clock = SimpleNamespace(perf_counter=lambda: model.now_s, thread_time=lambda: model.now_s, monotonic=time.monotonic)
    monkeypatch.setattr(timing, "time", clock)
    spec = WorkerSpec(path="", sha256="", warmup=2, samples=40, latency_p95_ms=20.0)
    first = trial.measure(model, spec, None, np.full((40, 2), np.nan))
    assert trial.percentiles(trial.measure_again(model, spec, None, first)[:, 0], (95,)) == pytest.approx([p95_s])
    assert model.runs == 2 * (2 + 40)
