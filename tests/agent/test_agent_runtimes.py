"""Runtimes that are there and do not work: found by starting them, named, and never offered."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fleet import artifact, assignment
from inprocess import INFO, running

from agent import runtimes
from agent.runtimes import Runtimes, find, installed, trouble
from agent.step import Setup, State, events, step
from agent.wire.errors import Failure
from agent.wire.messages import Info, Reported, decode_as
from agent.wire.work import TrialLine, WorkerSpec
from agent.worker.trial import run_trial
from agent.workers import Ended, WorkerNews, Workers

KILLED = "import os\nos.kill(os.getpid(), 11)\n"
HANGS = "import time\ntime.sleep(60)\n"
LACKS = "import sys\nprint('hello')\nraise ImportError('libgomp.so.1: cannot open shared object file')\n"


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`onnxruntime` for this process and its children is a package with this `__init__`, which a test writes."""
    package = tmp_path / "site" / "onnxruntime"
    package.mkdir(parents=True)
    path = package / "__init__.py"
    path.write_text(KILLED)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{os.getcwd()}")
    return path


def found(path: Path) -> Runtimes:
    told: queue.SimpleQueue[Runtimes] = queue.SimpleQueue()
    find(path, told.put)
    return told.get(timeout=60)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (KILLED, "signal 11 while importing onnxruntime"),
        (HANGS, "no end in 2 s while importing onnxruntime"),
        (LACKS, "exit 1 while importing onnxruntime: ImportError: libgomp.so.1: cannot open shared object file"),
        ("", "exit 1 while running the smallest model of onnxruntime: AttributeError: module 'onnxruntime' has"),
    ],
    ids=["dies", "hangs", "lacks a library", "is empty"],
)
def test_what_is_wrong_with_a_runtime_is_told_with_the_step(broken: Path, text: str, wrong: str) -> None:
    broken.write_text(text)
    began_s = time.monotonic()
    assert trouble("onnxruntime", 2 if text == HANGS else 30).startswith(wrong)
    assert time.monotonic() - began_s < 20


def test_a_runtime_that_works_is_started_once_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runtimes.json"
    assert found(path) == Runtimes(installed())
    assert set(json.loads(path.read_text())) == set(installed())
    with monkeypatch.context() as never:
        never.setattr(subprocess, "run", None)
        assert found(path) == Runtimes(installed()), "told at once, by no process"
    path.write_text("rubbish")
    assert found(path) == Runtimes(installed())


def test_after_a_change_it_is_tried_again(tmp_path: Path, broken: Path) -> None:
    path = tmp_path / "runtimes.json"
    before = runtimes._mark("onnxruntime")
    told = found(path)
    assert told.broken == {"onnxruntime": "signal 11 while importing onnxruntime"}
    assert "onnxruntime" not in told.working
    assert "onnxruntime" not in json.loads(path.read_text()), "a library may come that it lacks"
    os.utime(broken, (1, 1))
    assert runtimes._mark("onnxruntime") != before


def test_info_has_only_what_works(tmp_path: Path, broken: Path) -> None:
    with running(tmp_path / "state") as broker:
        assert broker.is_answered()
        info = decode_as(Info, broker.said[INFO])
    assert "onnxruntime" not in info.runtimes
    assert set(info.runtimes) == set(installed()) - {"onnxruntime"}


def test_an_assignment_for_it_is_refused_with_what_is_wrong() -> None:
    setup = Setup(
        device="dev-1", boot="b", agent_version="0", architecture="x", profile="",
        broken_runtimes={"onnxruntime": "signal 11 while importing onnxruntime"},
    )  # fmt: skip
    wanted = assignment(artifact(1), 1)
    turn = step(State(setup=setup), events.DesiredArrived(now_s=0.0, assignment=wanted, wall_unix_s=0.0))
    (message,) = [each.message for each in turn.effects if hasattr(each, "message")]
    assert isinstance(message, Reported)
    assert message.failure is Failure.NO_RUNTIME
    assert message.reason == "onnxruntime does not run here: signal 11 while importing onnxruntime"


@pytest.mark.e2e
def test_a_worker_that_dies_in_an_import_names_the_module(broken: Path, tmp_path: Path) -> None:
    news: queue.SimpleQueue[WorkerNews] = queue.SimpleQueue()
    workers = Workers(news.put)
    workers.start(1, WorkerSpec(path=str(tmp_path / "none"), sha256="0" * 64))
    ended = news.get(timeout=30)
    assert isinstance(ended, Ended)
    assert ended.detail == "signal 11 while importing onnxruntime"
    workers.forget(1)


def test_a_trial_without_its_runtime_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_runtime: str) -> None:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("agent.worker.trial.backend", missing)
    said: list[object] = []
    line, session = run_trial(WorkerSpec(path=str(tmp_path / "none"), sha256="0" * 64), said.append)
    assert session is None
    assert isinstance(line, TrialLine)
    assert line.trial.failure is Failure.NO_RUNTIME
    assert "libgomp" in line.trial.detail
