"""Real workers under memory caps that RLIMIT_DATA alone enforces, as where no cgroup is to be had."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path

import numpy as np
import pytest
from asking import INFER, request
from fleet import assignment
from onnx import TensorProto, helper, numpy_helper
from realagent import A, Agent, Controller
from realworker import ID, RealWorker

from agent.doors import close_doors, open_doors
from agent.wire.errors import Failure
from agent.wire.messages import Reported, Result
from agent.wire.profile import Runtime
from agent.worker.http import CONNECTIONS
from controller.pruning.artifact.ncnn import to_ncnn

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


def convolutions(layers: int = 8, channels: int = 256) -> bytes:
    """Of 2.3 MB a layer, for which ncnn takes 17 MB."""
    dice = np.random.default_rng(0)
    weights = [dice.standard_normal((channels, channels, 3, 3)).astype(np.float32) for _ in range(layers)]
    nodes = [
        helper.make_node("Conv", [f"t{number}", f"w{number}"], [f"t{number + 1}"], pads=[1, 1, 1, 1])
        for number in range(layers)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 14, 14]) for name in ("t0", f"t{layers}")
    ]
    named = [numpy_helper.from_array(weight, f"w{number}") for number, weight in enumerate(weights)]
    graph = helper.make_graph(nodes, "convolutions", ends[:1], ends[1:], named)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


@pytest.mark.parametrize("runtime", Runtime)
@pytest.mark.parametrize("cap", [{"ram_total_bytes": 84 * MIB}, {"ram_model_bytes": 40 * MIB}])
def test_what_is_above_its_memory_cap_is_rejected_for_that_however_the_runtime_takes_it(
    agent: Agent, controller: Controller, runtime: str, cap: dict[str, int]
) -> None:
    """onnxruntime says that it is refused memory, ncnn writes where it got none and dies."""
    data = convolutions() if runtime == "onnxruntime" else to_ncnn(convolutions())
    controller.add(data)
    agent.start()
    controller.assign(assignment(data, 1, **cap))
    controller.until(controller.reported(1, Result.REJECTED), 40)
    last = controller.last(Reported)
    assert last is not None
    assert last.failure is Failure.MEMORY, last.reason


def test_a_worker_as_tight_as_its_cap_serves_all_the_connections_that_it_may_have(tmp_path: Path) -> None:
    path = saved(tmp_path, A)
    cap = grown_bytes(path) + MIB  # it differs a little from process to process
    doors = open_doors(("127.0.0.1", 0), tmp_path / "i.sock")
    with RealWorker(path, doors, ram_model_bytes=cap) as worker, contextlib.ExitStack() as clients:
        assert worker.trial().passed
        worker.workers.go(ID)
        for _ in range(CONNECTIONS):
            client = http.client.HTTPConnection(*doors[1].getsockname(), timeout=10)
            clients.callback(client.close)
            client.request("POST", INFER, *request(binary=True))
            answer = client.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
    close_doors(doors, tmp_path / "i.sock")
