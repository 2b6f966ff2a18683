from __future__ import annotations

import threading
from typing import Any

import numpy as np
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
