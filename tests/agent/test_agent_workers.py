from __future__ import annotations

import os
import queue
import time

import pytest
from fleet import artifact, assignment

from agent.wire.work import WorkerSpec
from agent.workers import Ended, WorkerNews, Workers, worker_spec

pytestmark = pytest.mark.e2e
SPEC = WorkerSpec(path="/nonexistent.onnx", sha256="0" * 64)


def test_a_worker_that_cannot_load_says_so_and_leaves_nothing_behind() -> None:
    news: queue.SimpleQueue[WorkerNews] = queue.SimpleQueue()
    workers = Workers(news.put)
    before = len(os.listdir("/proc/self/fd"))
    workers.start(1, SPEC)
    said = [news.get(timeout=20), news.get(timeout=20)]
    assert not said[0].line.trial.passed  # type: ignore[union-attr]
    assert isinstance(said[1], Ended)
    workers.forget(1)
    assert len(os.listdir("/proc/self/fd")) == before
    workers.go(1)
    workers.close()


def test_a_worker_is_ended_gently_or_at_once() -> None:
    news: queue.SimpleQueue[WorkerNews] = queue.SimpleQueue()
    workers = Workers(news.put)
    workers.start(1, SPEC)
    workers.stop(1, 0.0, at_once=True)
    ended = news.get(timeout=20)
    assert isinstance(ended, Ended)
    assert ended.detail.startswith("signal 9")
    workers.forget(1)
    workers.start(2, SPEC)
    workers.stop(2, time.monotonic())
    workers.tick(time.monotonic() + 60)
    while not isinstance(news.get(timeout=20), Ended):
        pass
    workers.forget(2)
    workers.close()


def test_a_restart_is_short_and_not_held_to_the_latency() -> None:
    wanted = assignment(artifact(1), 1, latency_p95_ms=1000.0, ram_total_bytes=5)
    common = {"window_s": 1.0, "exercise": "none", "gflops": 3.0}
    judged = worker_spec(wanted, "p", judged=True, **common)  # type: ignore[arg-type]
    again = worker_spec(wanted, "p", judged=False, **common)  # type: ignore[arg-type]
    assert (judged.latency_p95_ms, judged.samples) == (1000.0, 40)
    assert (again.latency_p95_ms, again.samples, again.ram_total_bytes) == (None, 5, 5)
    assert worker_spec(assignment(artifact(1), 1), "p", judged=True, **common).samples == 200  # type: ignore[arg-type]
