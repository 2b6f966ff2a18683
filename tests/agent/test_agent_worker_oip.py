"""Requests and responses of the Open Inference Protocol, as values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.wire.work import WorkerSpec
from agent.worker import api as api_module
from agent.worker.api import Api
from agent.worker.oip import RefusedError, most_bytes, read_request, write_response
from agent.worker.service import Service
from agent.worker.tensors import DATATYPES, Tensors, TensorSpec

X = TensorSpec("x", "FP32", (1, 3))
N = TensorSpec("n", "INT64", (-1,))
Y = TensorSpec("y", "FP32", (1, 3))


class Doubled:
    """y = 2 x, as a model with two inputs."""

    platform = "test_v1"
    inputs = (X, N)
    outputs = (Y, N)

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        if inputs["n"][0] < 0:
            raise RuntimeError("below zero")
        return [2 * inputs["x"], inputs["n"]]


def given_x(**changes: object) -> dict[str, object]:
    return {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2.5, -3]} | changes


def given_n(**changes: object) -> dict[str, object]:
    return {"name": "n", "shape": [2], "datatype": "INT64", "data": [7, 8]} | changes


def request(*inputs: object, **more: object) -> bytes:
    return json.dumps({"inputs": inputs, **more}).encode()


@pytest.fixture
def api() -> Api:
    spec = WorkerSpec(path="", sha256="")
    return Api(Service(spec, Doubled()), "wearable@3")


def infer(api: Api, body: bytes, **headers: str) -> tuple[int, Any]:
    answer = api.answer(
        "POST", "/v2/models/wearable/infer", {key.replace("_", "-"): headers[key] for key in headers}, body
    )
    return answer.status, json.loads(answer.body)


def test_a_model_answers_in_json(api: Api) -> None:
    status, said = infer(api, request(given_x(), given_n(), id="a"))
    assert status == 200
    assert said == {
        "model_name": "wearable",
        "model_version": "3",
        "id": "a",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [2.0, 5.0, -6.0]},
            {"name": "n", "datatype": "INT64", "shape": [2], "data": [7, 8]},
        ],
    }


def test_nested_data_and_a_choice_of_outputs(api: Api) -> None:
    _, said = infer(api, request(given_x(data=[[1, 2, 3]]), given_n(), outputs=[{"name": "n"}]))
    assert [each["name"] for each in said["outputs"]] == ["n"]


def test_binary_tensors_follow_the_json_both_ways(api: Api) -> None:
    values = np.array([1, 2, 3], "<f4").tobytes()
    x = given_x(parameters={"binary_data_size": len(values)})
    del x["data"]
    head = request(x, given_n(), outputs=[{"name": "y", "parameters": {"binary_data": True}}])
    answer = api.answer(
        "POST",
        "/v2/models/wearable/versions/3/infer",
        {"Inference-Header-Content-Length": str(len(head))},
        head + values,
    )
    size = int(answer.headers["Inference-Header-Content-Length"])
    said = json.loads(answer.body[:size])
    assert said["outputs"][0]["parameters"] == {"binary_data_size": 12}
    assert np.frombuffer(answer.body[size:], "<f4").tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "not an infer request"),
        (b"\xff", "not an infer request"),
        (request(given_x()), "inputs are n, x; given: x"),
        (request(given_x(), given_x(), given_n()), "given: x, x, n"),
        (request(given_x(datatype="FP64"), given_n()), "'x' is FP32; given: FP64"),
        (request(given_x(shape=[3]), given_n()), r"'x' has shape \[1, 3\]; given: \[3\]"),
        (request(given_x(), given_n(shape=[-2])), r"'n' has shape \[-1\]; given: \[-2\]"),
        (request(given_x(data=[1, 2]), given_n()), "'x' has 2 values"),
        (request(given_x(data=[[1, 2], [3]]), given_n()), "not FP32 values"),
        (request(given_x(data=["1", "2", "3"]), given_n()), "not FP32 values"),
        (request(given_x(data=[1, None, 3]), given_n()), "not FP32 values"),
        (request(given_x(data=[1, {}, 3]), given_n()), "not FP32 values"),
        (request(given_x(), given_n(data=[1e30, 2])), "not INT64 values"),
        (request(given_x(data=None), given_n()), "neither data nor binary_data_size"),
        (request(given_x(), given_n(data=[1.5, 2])), "not INT64 values"),
        (request(given_x(), given_n(data=[2**70, 2])), "not INT64 values"),
        (request(given_x(), given_n(), outputs=[{"name": "z"}]), "outputs are y, n; asked for: z"),
        (request(given_x(), given_n(), outputs=[{"name": "y", "parameters": {"classification": 3}}]), "classification"),
        (request(given_x(parameters={"binary_data_size": 12}), given_n()), "binary_data_size 12"),
        (request(given_x(parameters={"binary_data_size": "12"}), given_n()), "binary_data_size"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(api: Api, body: bytes, text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        read_request(body, None, Doubled.inputs, Doubled.outputs)
    status, said = infer(api, body)
    assert status == 400
    assert list(said) == ["error"]


def test_a_length_of_json_that_cannot_be_is_refused(api: Api) -> None:
    body = request(given_x(), given_n())
    for length in ("9999", "-1", "x"):
        assert infer(api, body, Inference_Header_Content_Length=length)[0] == 400
    status, said = infer(api, body + b"more", Inference_Header_Content_Length=str(len(body)))
    assert (status, said) == (400, {"error": "4 bytes are left over behind the tensors"})


def test_what_the_runtime_refuses_is_our_error_and_is_counted(api: Api) -> None:
    status, said = infer(api, request(given_x(), given_n(data=[-1, 0])))
    assert (status, said) == (500, {"error": "RuntimeError: below zero"})
    assert infer(api, request(given_x(), given_n()))[0] == 200
    window = api._service.close_window()
    assert (window.count, window.errors) == (2, 1)


@pytest.mark.parametrize(
    ("where", "what", "error"),
    [
        (api_module, "read_request", MemoryError()),
        (api_module, "write_response", MemoryError()),
        (Doubled, "run", MemoryError()),
        (Doubled, "run", RuntimeError("std::bad_alloc")),
    ],
)
def test_a_request_that_there_is_no_memory_for_may_be_asked_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, where: object, what: str, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(where, what, refuse)
    status, said = infer(api, request(given_x(), given_n()))
    assert (status, said) == (503, {"error": "there is no memory for this request now"})
    monkeypatch.undo()
    assert infer(api, request(given_x(), given_n()))[0] == 200
    window = api._service.close_window()
    assert (window.asked, window.shed) == (2, int(what == "read_request")), "what was run is not shed"
    assert window.count + (window.shed or 0) == 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/health/live", 200),
        ("GET", "/v2/health/ready", 200),
        ("GET", "/v2", 200),
        ("GET", "/v2/models/wearable/ready", 200),
        ("GET", "/v2/models/wearable/versions/3/ready?x=1", 200),
        ("GET", "/v2/models/wearable/versions/4/ready", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/wearable/nothing", 404),
        ("GET", "/", 404),
        ("POST", "/v2", 405),
        ("GET", "/v2/models/wearable/infer", 405),
    ],
)
def test_paths(api: Api, method: str, path: str, status: int) -> None:
    assert api.answer(method, path, {}, b"").status == status


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/health/live", {"live": True, "ready": True}),
        ("/v2/health/ready", {"live": True, "ready": True}),
        ("/v2/models/wearable/ready", {"name": "wearable", "ready": True}),
    ],
)
def test_health_is_told_in_json(api: Api, path: str, said: object) -> None:
    answer = api.answer("GET", path, {}, b"")
    assert json.loads(answer.body) == said
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("path", "allowed"), [("/v2", "GET"), ("/v2/models/wearable/infer", "POST")])
def test_a_wrong_method_is_told_the_right_one(api: Api, path: str, allowed: str) -> None:
    assert api.answer("PUT", path, {}, b"").headers["Allow"] == allowed


def test_null_is_what_was_left_out(api: Api) -> None:
    body = request(
        given_x(parameters=None), given_n(parameters=None), id=None, parameters=None,
        outputs=[{"name": "y", "parameters": None}],
    )  # fmt: skip
    status, said = infer(api, body)
    assert (status, [each["name"] for each in said["outputs"]]) == (200, ["y"])
    assert "id" not in said
    assert infer(api, request(given_x(), given_n(), outputs=None))[0] == 200


def test_what_json_has_no_number_for_is_null(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    monkeypatch.setattr(Doubled, "run", lambda _self, inputs: [values, inputs["n"]])
    _, said = infer(api, request(given_x(), given_n()))
    assert said["outputs"][0]["data"] == [None, None, None]


def test_metadata(api: Api) -> None:
    assert json.loads(api.answer("GET", "/v2/models/wearable", {}, b"").body) == {
        "name": "wearable",
        "versions": ["3"],
        "platform": "test_v1",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [1, 3]},
            {"name": "n", "datatype": "INT64", "shape": [-1]},
        ],
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [1, 3]},
            {"name": "n", "datatype": "INT64", "shape": [-1]},
        ],
    }


@given(st.sampled_from(sorted(DATATYPES)), st.lists(st.integers(0, 1), min_size=1, max_size=9), st.booleans())
def test_every_datatype_comes_back_as_it_went(datatype: str, numbers: list[int], binary: bool) -> None:
    spec = TensorSpec("v", datatype, (-1,))
    values = np.array(numbers, spec.dtype)
    row: dict[str, object] = {"name": "v", "shape": [len(numbers)], "datatype": datatype}
    raw = values.tobytes() if binary else b""
    row |= {"parameters": {"binary_data_size": len(raw)}} if binary else {"data": values.tolist()}
    head = request(row, parameters={"binary_data_output": binary})
    asked = read_request(head + raw, len(head) if binary else None, (spec,), (spec,))
    assert asked.inputs["v"].dtype == values.dtype
    body, size = write_response(asked, "m", "1", (spec,), [asked.inputs["v"]])
    if binary:
        assert np.frombuffer(body[size:], values.dtype).tolist() == values.tolist()
    else:
        assert json.loads(body)["outputs"][0]["data"] == values.tolist()


@given(st.binary(max_size=300))
def test_rubbish_is_refused_and_nothing_else(body: bytes) -> None:
    with pytest.raises(RefusedError):
        read_request(body, None, Doubled.inputs, Doubled.outputs)


def test_the_largest_body_leaves_room_for_json() -> None:
    assert most_bytes([X]) > len(request(given_x(data=[-1.2345678901234567e-300] * 3)))
    assert most_bytes([X, N]) == 16 * 2**20
