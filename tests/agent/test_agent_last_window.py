"""A daemon and a worker that serves nobody and tells what it is bound to tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fleet import artifact, assignment, sha256
from inprocess import running
from powercut import Device

from agent import workers
from agent.spool import Spool

A = artifact(1, 3000)
LAST = {
    "type": "window",
    "duration_s": 1.5,
    "count": 7,
    "errors": 0,
    "busy_s": 0.5,
    "rss_bytes": 1,
    "ram_peak_bytes": 1,
}
WORKER = f"""
import json, sys
spec = json.loads(sys.stdin.readline())
print(json.dumps({{"type": "trial", "trial": {{"sha256": spec["sha256"], "passed": True}}}}), flush=True)
for line in sys.stdin:
    if json.loads(line)["type"] == "drain":
        print({json.dumps(LAST)!r}, flush=True)
        break
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Of a device that runs `A`, with nothing left to send."""
    device = Device(tmp_path, "first")
    device.install(assignment(A, 1), A)
    device.acknowledge("first", 1)
    device.close()
    return tmp_path


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Popen(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **more: Any) -> None:
            super().__init__([sys.executable, "-c", WORKER] if "agent.worker" in command else command, **more)

    monkeypatch.setattr(workers.subprocess, "Popen", Popen)


def test_what_was_served_until_the_agent_s_end_is_in_a_last_window(state: Path) -> None:
    with running(state) as broker:
        assert broker.is_answered()
    spool = Spool(state / "spool.sqlite", 10)
    batch = spool.batch(10)
    spool.close()
    assert batch is not None
    assert [(each.sha256, each.count) for each in batch[1]] == [(sha256(A), 7)]
