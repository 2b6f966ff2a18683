"""Artifacts that must not reach a runtime, made with onnx itself."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from realagent import A

from agent.worker.backends.contract import ContractError, check_onnx


def graph(*nodes: onnx.NodeProto, weights: onnx.TensorProto | None = None) -> onnx.GraphProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    return helper.make_graph(list(nodes), "g", [x], [y], [weights] if weights is not None else [])


def saved(tmp_path: Path, made: onnx.GraphProto) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


def external() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros((4, 4), np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def test_one_file_of_standard_operators_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(A)
    check_onnx(path)


def test_data_outside_of_the_file_is_not(tmp_path: Path) -> None:
    made = graph(helper.make_node("MatMul", ["x", "w"], ["y"]), weights=external())
    with pytest.raises(ContractError, match="data outside of its file"):
        check_onnx(saved(tmp_path, made))


def test_nor_in_a_constant_of_a_subgraph(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["y"], value=external())
    branch = helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4])])
    made = graph(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
    with pytest.raises(ContractError, match="data outside of its file"):
        check_onnx(saved(tmp_path, made))


def test_operators_of_others_are_not_run(tmp_path: Path) -> None:
    made = graph(helper.make_node("Shell", ["x"], ["y"], domain="com.example"))
    with pytest.raises(ContractError, match=r"operators of b'com.example'"):
        check_onnx(saved(tmp_path, made))


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf writes it."""
    size, length = bytearray(), len(content)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def test_graphs_without_end_are_not_followed(tmp_path: Path) -> None:
    inner = b""
    for _ in range(40):
        inner = field(1, field(5, field(6, inner)))  # a graph's node's attribute's graph
    path = tmp_path / "m.onnx"
    path.write_bytes(field(7, inner))
    with pytest.raises(ContractError, match="nested more than 32 deep"):
        check_onnx(path)


@given(st.binary(max_size=200), st.integers(0, len(A)), st.booleans())
def test_rubbish_is_told_or_harmless(tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, cut: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.onnx"
    path.write_bytes(A[:at] if cut else A[:at] + junk + A[at:])
    with contextlib.suppress(ContractError):
        check_onnx(path)
