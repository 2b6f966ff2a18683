"""Real workers under memory caps that RLIMIT_DATA alone enforces, as where no cgroup is to be had."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path

import pytest
from asking import INFER, request
from realagent import A
from realworker import ID, RealWorker

from agent.doors import close_doors, open_doors
from agent.worker.http import CONNECTIONS

pytestmark = pytest.mark.e2e
MIB = 2**20


def saved(tmp_path: Path, artifact: bytes) -> Path:
    path = tmp_path / "artifact"
    path.write_bytes(artifact)
    return path


def grown_bytes(path: Path) -> int:
    """What the model adds to the bare runtime, by a trial without caps."""
    with RealWorker(path) as worker:
        trial = worker.trial()
    assert trial.ram_peak_bytes is not None
    assert trial.ram_base_bytes is not None
    return trial.ram_peak_bytes - trial.ram_base_bytes


def test_a_worker_as_tight_as_its_cap_serves_all_the_connections_that_it_may_have(tmp_path: Path) -> None:
    path = saved(tmp_path, A)
    cap = grown_bytes(path) + MIB  # it differs a little from process to process
    doors = open_doors(("127.0.0.1", 0), tmp_path / "i.sock")
    with RealWorker(path, doors, ram_model_bytes=cap, model="m@1") as worker, contextlib.ExitStack() as clients:
        assert worker.trial().passed
        worker.workers.go(ID)
        for _ in range(CONNECTIONS):
            client = http.client.HTTPConnection(*doors[1].getsockname(), timeout=10)
            clients.callback(client.close)
            client.request("POST", INFER, *request(binary=True))
            answer = client.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
    close_doors(doors, tmp_path / "i.sock")
