"""A broker, the least controller and a real agent that serves a small model, as the tests have them."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "agent"))  # the tests' own helpers, which are no package

from fleet import assignment
from realagent import A, Agent, B, Controller
from realbroker import RealBroker

__all__ = ["A", "Agent", "B", "Controller", "Ground", "RealBroker", "ground", "median_s", "request"]

WIDTH = 256
INFER = "/v2/models/m/infer"


class Ground:
    def __init__(self, folder: Path) -> None:
        self.broker = RealBroker(folder)
        self.broker.start()
        self.controller = Controller(self.broker.port, A, B)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.agent = Agent(folder, self.broker.port, f"http: 127.0.0.1:{self.port}\nreplay: none\n")
        # The tests' agent stands for a slower device and hurries with its windows; this one is what users have.
        config = self.agent.config.read_text()
        self.agent.config.write_text(config.replace("window: 0.5 s\nemulate: {slowdown: 2}\n", ""))

    def serve(self, data: bytes, seq: int) -> None:
        self.controller.assign(assignment(data, seq))
        self.controller.until(self.controller.reported(seq), 60)

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.connect()
        return connection


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    made = Ground(folder)
    try:
        yield made
    finally:
        if made.agent.process is not None:
            made.agent.process.kill()
            made.agent.process.wait()
        made.controller.link.stop()
        made.broker.stop()


def request(binary: bool) -> tuple[bytes, dict[str, str]]:
    """The body and headers of an inference."""
    values = np.random.default_rng(0).standard_normal((1, WIDTH)).astype("<f4")
    x: dict[str, object] = {"name": "x", "shape": [1, WIDTH], "datatype": "FP32"}
    if not binary:
        return json.dumps({"inputs": [x | {"data": values.ravel().tolist()}]}).encode(), {}
    raw = values.tobytes()
    x["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [x], "parameters": {"binary_data_output": True}}).encode()
    return head + raw, {"Inference-Header-Content-Length": str(len(head))}


def median_s(call: object, count: int) -> float:
    """Wall time of `call()`, after a tenth to warm up."""
    times = []
    for number in range(count + count // 10):
        began = time.perf_counter()
        call()  # type: ignore[operator]
        if number >= count // 10:
            times.append(time.perf_counter() - began)
    return float(np.median(times))
