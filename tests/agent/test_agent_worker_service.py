from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.wire.work import WorkerSpec
from agent.worker.service import Service
from agent.worker.tensors import Tensors, TensorSpec


class Held:
    """Answers once it is let go."""

    platform = "test_v1"
    inputs = outputs = (TensorSpec("x", "FP32", (1,)),)

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        self.begun.set()
        assert self.let_go.wait(10)
        return [inputs["x"]]


def test_a_window_closes_while_an_inference_is_under_way_which_counts_in_the_next() -> None:
    held = Held()
    service = Service(WorkerSpec(path="", sha256=""), held)
    asking = threading.Thread(target=service.infer, args=({"x": np.zeros(1, np.float32)},))
    asking.start()
    assert held.begun.wait(10)
    closed: list[int] = []
    closing = threading.Thread(target=lambda: closed.append(service.close_window().count))
    closing.start()
    closing.join(5)
    held.let_go.set()
    asking.join()
    assert closed == [0]
    assert service.close_window().count == 1


def test_who_waits_for_a_turn_is_asked_for_in_its_window_and_its_wait_told_in_the_one_that_runs_it() -> None:
    held = Held()
    service = Service(WorkerSpec(path="", sha256=""), held)
    askers = [threading.Thread(target=service.infer, args=({"x": np.zeros(1, np.float32)},)) for _ in range(2)]
    askers[0].start()
    assert held.begun.wait(10)
    askers[1].start()
    while service._window.asked < 2:
        time.sleep(0.001)
    service.shed()
    time.sleep(0.05)
    before = service.close_window()
    assert (before.asked, before.count, before.shed) == (3, 0, 1)
    assert (before.queue_mean_ms, before.queue_p95_ms, before.cpu_per_inference_s) == (None, None, None)
    held.let_go.set()
    for each in askers:
        each.join()
    after = service.close_window()
    assert (after.asked, after.count, after.shed) == (0, 2, 0)
    assert after.queue_p95_ms is not None
    assert after.queue_p95_ms > 45
    assert after.queue_mean_ms == pytest.approx(after.queue_p95_ms / 2, rel=0.2)
    assert after.cpu_per_inference_s is not None
    assert 0 <= after.cpu_per_inference_s < 0.01, "it waited, and did nothing"
