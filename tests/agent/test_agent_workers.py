from __future__ import annotations

import http.client
import os
import queue
import sys
import time
from pathlib import Path

import msgspec
import pytest
from asking import INFER, request
from fleet import artifact, assignment
from realagent import A
from realworker import ID, RealWorker

from agent.doors import close_doors, open_doors
from agent.wire.manifest import Golden
from agent.wire.messages import Trial
from agent.wire.work import LoadingLine, TrialLine, WorkerSpec, to_line
from agent.workers import Ended, WorkerNews, Workers, worker_spec

pytestmark = pytest.mark.e2e
FAILED = TrialLine(trial=Trial(sha256="0" * 64, passed=False))
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


def test_the_last_window_has_what_was_answered_while_draining(tmp_path: Path) -> None:
    (tmp_path / "artifact").write_bytes(A)
    doors = open_doors(("127.0.0.1", 0), tmp_path / "i.sock")
    client = http.client.HTTPConnection(*doors[1].getsockname(), timeout=20)

    def ask() -> str | None:
        client.request("POST", INFER, *request(binary=True))
        answer = client.getresponse()
        assert answer.read()
        return answer.getheader("Connection")

    with RealWorker(tmp_path / "artifact", doors, window_s=1000.0) as worker:
        assert worker.trial().passed
        worker.workers.go(ID)
        count = 0
        while ask() is None:  # until it says that this answer was the last one
            count += 1
            if count == 3:
                worker.workers.stop(ID, time.monotonic())
        window = worker.window()
        assert isinstance(worker.news.get(timeout=20), Ended)
    assert (window.count, window.errors) == (count + 1, 0)
    client.close()
    close_doors(doors, tmp_path / "i.sock")


@pytest.mark.parametrize(
    ("lines", "for_memory"),
    [
        ([LoadingLine(ram_bytes=2**20)], True),
        ([LoadingLine(ram_bytes=2**40)], False),
        ([LoadingLine(ram_bytes=2**20), FAILED], False),
        ([], False),
    ],
    ids=["near its cap", "far from it", "after its trial", "without a cap"],
)
def test_a_signal_ends_a_worker_for_its_memory_while_it_loads_near_its_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[msgspec.Struct], for_memory: bool
) -> None:
    """A stand-in says `lines` and writes to address 0, as a runtime that was refused memory and does not look."""
    said = b"".join(map(to_line, lines)).decode()
    text = f"import ctypes, sys\nsys.stdout.write({said!r})\nsys.stdout.flush()\nctypes.memset(0, 0, 1)\n"
    monkeypatch.setattr("agent.workers.sys.executable", stand_in(tmp_path, text))
    news: queue.SimpleQueue[WorkerNews] = queue.SimpleQueue()
    workers = Workers(news.put)
    workers.start(1, SPEC)
    while not isinstance(ended := news.get(timeout=20), Ended):
        pass
    assert ended.out_of_memory is for_memory
    assert "signal 11" in ended.detail
    workers.forget(1)


def stand_in(folder: Path, text: str) -> str:
    """What can be started in place of Python, and runs `text` whatever it is told to run."""
    (folder / "text.py").write_text(text)
    path = folder / "python"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {folder}/text.py\n")
    path.chmod(0o755)
    return str(path)


def test_a_restart_is_short_and_not_held_to_the_latency() -> None:
    wanted = assignment(artifact(1), 1, latency_p95_ms=1000.0, ram_total_bytes=5)
    golden = Golden(seed=4, outputs=[[1.0]], tolerance=0.5)
    common = {"window_s": 1.0, "exercise": "none", "gflops": 3.0}
    judged = worker_spec(wanted, golden, "p", judged=True, **common)  # type: ignore[arg-type]
    again = worker_spec(wanted, golden, "p", judged=False, **common)  # type: ignore[arg-type]
    assert (judged.latency_p95_ms, judged.samples) == (1000.0, 40)
    for spec in (judged, again):
        assert (spec.golden_seed, spec.golden_outputs, spec.golden_tolerance) == (4, [[1.0]], 0.5)
    assert (again.latency_p95_ms, again.samples, again.ram_total_bytes) == (None, 5, 5)
    assert worker_spec(assignment(artifact(1), 1), golden, "p", judged=True, **common).samples == 200  # type: ignore[arg-type]
