"""Applications and a real agent: the model over HTTP and the Unix socket, swapped and killed under load."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from asking import INFER, request, under_load
from fleet import assignment, sha256
from ports import free_port
from realagent import A, Agent, Controller
from realbroker import RealBroker

from agent.wire.messages import Reported, Telemetry
from agent.worker.backends.onnx import OnnxSession

pytestmark = pytest.mark.e2e
SWAPS = int(os.environ.get("HEDGEROW_SWAPS", "4"))
PORT = 0


@pytest.fixture
def serving(tmp_path: Path, broker: RealBroker, controller: Controller, pair: tuple[bytes, bytes]) -> Iterator[Agent]:
    """An agent that serves the first of the pair."""
    global PORT  # noqa: PLW0603 - one agent at a time; a port found earlier may be a client's by now
    PORT = free_port()
    made = Agent(tmp_path, broker.port, f"http: 127.0.0.1:{PORT}\n")
    made.start()
    try:
        controller.assign(assignment(pair[0], 1, rate_hz=20.0))
        controller.until(controller.reported(1), 40)
        yield made
    finally:
        made.process.kill()  # type: ignore[union-attr]
        made.process.wait()  # type: ignore[union-attr]


def test_an_application_asks_over_both_doors_and_its_requests_are_what_is_measured(
    serving: Agent, controller: Controller
) -> None:
    said = controller.last(Reported)
    assert said is not None
    assert said.trial is not None
    assert said.trial.host_busy_share is None, "this host stands for another device"
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    connection.request("POST", INFER, *request(binary=False))
    assert json.loads(connection.getresponse().read())["model_version"] == "1"
    connection.request("POST", INFER, b'{"inputs": []}')
    refused = connection.getresponse()
    assert (refused.status, json.loads(refused.read())) == (400, {"error": "inputs are x; given: none"})
    connection.request("GET", "/v2/models/m/ready")
    assert connection.getresponse().status == 200
    connection.close()
    with socket.socket(socket.AF_UNIX) as unix:
        unix.settimeout(10)
        unix.connect(str(serving.state / "inference.sock"))
        unix.sendall(b"GET /v2/health/ready HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert unix.recv(100).startswith(b"HTTP/1.1 200")
    controller.heard.clear()
    controller.until(lambda: (last := controller.last(Telemetry)) is not None and last.windows[-1].count == 0)
    told = controller.last(Telemetry)
    assert isinstance(told, Telemetry)
    (*_, idle) = told.windows
    assert (idle.asked, idle.shed, idle.cpu_per_inference_s, idle.queue_p95_ms) == (0, 0, None, None)
    assert (idle.host_busy_share, idle.pressure_share) == (None, None)
    assert told.now_s is not None
    assert idle.closed_s is not None
    assert 0 <= told.now_s - idle.closed_s < 60


def test_no_request_is_lost_in_a_swap(serving: Agent, controller: Controller, pair: tuple[bytes, bytes]) -> None:
    with under_load(PORT) as clients:
        for number in range(SWAPS):
            wanted = pair[(number + 1) % 2]
            controller.assign(assignment(wanted, number + 2, rate_hz=20.0))
            controller.until(controller.reported(number + 2), 60)
    assert [each.failed for each in clients] == [[], [], [], []]
    assert all(each.answered > 10 * SWAPS for each in clients)
    controller.until(lambda: serving.status()["sha256"] == sha256(pair[SWAPS % 2]))


def test_a_client_waits_while_a_killed_worker_comes_back(serving: Agent, controller: Controller) -> None:
    (worker,) = serving.workers()
    os.kill(worker, signal.SIGKILL)
    controller.until(lambda: "event=worker_died" in serving.log())
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request("POST", INFER, *request(binary=False))
    assert connection.getresponse().status == 200
    connection.close()


def test_a_door_in_use_is_a_clear_error(serving: Agent, tmp_path: Path, broker: RealBroker) -> None:
    other = tmp_path / "other"
    other.mkdir()
    second = Agent(other, broker.port, f"http: 127.0.0.1:{PORT}\n")
    second.start()
    assert second.process is not None
    assert second.process.wait(10) == 1
    assert f"127.0.0.1:{PORT}: in use by another program; set 'http'" in second.log()


def test_a_public_client_of_the_protocol_works_unchanged(serving: Agent) -> None:
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
    from tritonclient.utils import InferenceServerException

    client = InferenceServerClient(f"127.0.0.1:{PORT}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "1")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata("m")
    assert described["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [1, 256]}]
    values = np.random.default_rng(0).standard_normal((1, 256)).astype(np.float32)
    session = OnnxSession(A)
    for binary in (True, False):
        asked = InferInput("x", [1, 256], "FP32").set_data_from_numpy(values, binary_data=binary)
        got = client.infer("m", [asked], outputs=[InferRequestedOutput("y", binary_data=binary)], request_id="7")
        np.testing.assert_allclose(got.as_numpy("y"), session.run({"x": values})[0], rtol=1e-5, atol=1e-4)
        assert got.get_response()["id"] == "7"
    wrong = InferInput("x", [1, 2], "FP32").set_data_from_numpy(values[:, :2])
    with pytest.raises(InferenceServerException, match=r"'x' has shape \[1, 256\]; given: \[1, 2\]"):
        client.infer("m", [wrong])
    client.close()
