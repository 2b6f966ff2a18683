"""A broker, the least controller and a real agent that serves a small model, as the tests have them."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fleet import assignment
from ports import free_port
from realagent import A, Agent, B, Controller
from realbroker import RealBroker


class Ground:
    def __init__(self, folder: Path) -> None:
        self.broker = RealBroker(folder)
        self.broker.start()
        self.controller = Controller(self.broker.port, A, B)
        self.port = free_port()
        self.agent = Agent(folder, self.broker.port, f"http: 127.0.0.1:{self.port}\nreplay: none\n")
        # The tests' agent stands for a slower device and hurries with its windows; this one is what users have.
        config = self.agent.config.read_text()
        self.agent.config.write_text(config.replace("window: 0.5 s\nemulate: {gflops: 25}\n", ""))

    def serve(self, data: bytes, seq: int) -> None:
        self.controller.assign(assignment(data, seq))
        self.controller.until(self.controller.reported(seq), 60)

    def wait(self, lasts_s: float) -> None:
        """The controller acknowledges windows meanwhile."""
        wake_s = time.monotonic() + lasts_s
        self.controller.until(lambda: time.monotonic() >= wake_s, lasts_s + 5)

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


def median_s(call: object, count: int) -> float:
    """Wall time of `call()`, after a tenth to warm up."""
    times = []
    for number in range(count + count // 10):
        began = time.perf_counter()
        call()  # type: ignore[operator]
        if number >= count // 10:
            times.append(time.perf_counter() - began)
    return float(np.median(times))
