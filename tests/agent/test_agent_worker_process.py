"""The worker as a process: what it says over its pipes, and how it ends."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from realagent import WIDTH, A

from agent.wire.work import (
    DoingLine,
    Go,
    LoadingLine,
    TrialLine,
    WindowLine,
    WorkerLine,
    WorkerSpec,
    read_line,
    to_line,
)

pytestmark = pytest.mark.e2e
Start = Callable[..., subprocess.Popen[bytes]]
GIB = 2**30


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes workers on the artifact A that were told the spec's fields; their stderr is in the file `errors`."""
    (tmp_path / "artifact").write_bytes(A)
    with contextlib.ExitStack() as workers:

        def started(limit_bytes: int | None = None, **spec: object) -> subprocess.Popen[bytes]:
            pipe, command = subprocess.PIPE, [sys.executable, "-m", "agent.worker"]
            errors = workers.enter_context((tmp_path / "errors").open("wb"))
            worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors)
            workers.enter_context(worker)
            workers.callback(worker.kill)
            if limit_bytes is not None:
                resource.prlimit(worker.pid, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
            fields = {"path": str(tmp_path / "artifact"), "sha256": "0" * 64, "samples": 10, "window_s": 0.2} | spec
            tell(worker, to_line(WorkerSpec(**fields)))  # type: ignore[arg-type]
            return worker

        yield started


def tell(worker: subprocess.Popen[bytes], line: bytes) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line)
    worker.stdin.flush()


def heard(worker: subprocess.Popen[bytes]) -> WorkerLine:
    assert worker.stdout is not None
    return read_line(worker.stdout.readline())


def tried(worker: subprocess.Popen[bytes]) -> TrialLine:
    while isinstance(line := heard(worker), DoingLine | LoadingLine):
        pass
    assert isinstance(line, TrialLine)
    return line


def window(worker: subprocess.Popen[bytes]) -> WindowLine:
    """The first one after the word to go."""
    assert tried(worker).trial.passed
    tell(worker, to_line(Go()))
    line = heard(worker)
    assert isinstance(line, WindowLine)
    return line


def test_a_signal_to_the_whole_group_does_not_end_it_and_the_end_of_its_pipe_does(start: Start) -> None:
    worker = start(rate_hz=50.0)
    first = window(worker)
    for number in (signal.SIGTERM, signal.SIGINT):
        worker.send_signal(number)
    second = heard(worker)
    assert isinstance(second, WindowLine)
    assert first.count + second.count > 0
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(10) == 0


def test_what_goes_wrong_is_told_and_is_no_signal(start: Start, tmp_path: Path) -> None:
    worker = start()
    assert worker.stdout is not None
    worker.stdout.close()
    assert worker.wait(20) == 1
    assert (tmp_path / "errors").read_text().endswith("BrokenPipeError: [Errno 32] Broken pipe\n")


def test_a_limit_that_it_may_not_raise_is_kept(start: Start) -> None:
    assert tried(start(limit_bytes=GIB, ram_total_bytes=4 * GIB)).trial.passed


@pytest.mark.parametrize("kind", ["gone", "empty", "nonsense", "archive", "number", "no rows", "texts", "other shape"])
def test_without_inputs_of_use_it_runs_on_random_ones(start: Start, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "replay.npy"
    arrays = {
        "number": np.float32(1),
        "no rows": np.zeros((0, WIDTH), np.float32),
        "texts": np.full((2, WIDTH), "a"),
        "other shape": np.zeros((2, WIDTH + 1), np.float32),
    }
    if kind in arrays:
        np.save(path, arrays[kind])
    elif kind == "archive":
        np.savez(path.with_suffix(""), np.zeros((2, WIDTH), np.float32))
        path.with_suffix(".npz").rename(path)
    elif kind != "gone":
        path.write_bytes(b"" if kind == "empty" else b"\x80\x04nonsense")
    seen = window(start(rate_hz=50.0, exercise=str(path)))
    assert (seen.errors, seen.count > 0) == (0, True)
    assert f"replay: {path}" in (tmp_path / "errors").read_text()
