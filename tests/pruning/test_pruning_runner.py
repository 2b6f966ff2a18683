"""Who runs a job ends it whole: nothing that it started is left behind."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from controller.core.nouns.job import JobState
from controller.core.nouns.work import Dense
from controller.pruning.job import JobRequest, JobResult, JobRunner

PARENT = """\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({file!r}, "w").write(str(child.pid))
sys.stdin.read()
child.wait()
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cancelled_job_takes_what_it_started_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pid"

    class Other(subprocess.Popen[bytes]):
        def __init__(self, _command: list[str], **pipes: Any) -> None:
            super().__init__([sys.executable, "-c", PARENT.format(file=str(file))], **pipes)

    monkeypatch.setattr(subprocess, "Popen", Other)
    results, runner = queue.Queue[JobResult](), JobRunner()
    request = JobRequest(work=Dense(), spec_path="m.yaml", artifact_dir=".")
    runner.start("job", request, lambda *_: None, lambda _, result: results.put(result))
    deadline_s = time.monotonic() + 30
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    started = int(file.read_text())
    assert runs(started)
    assert os.getpgid(started) != os.getpgrp()
    assert runner.cancel("job")
    assert results.get(timeout=30).state is JobState.FAILED
    while runs(started):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert not runner.cancel("job")
