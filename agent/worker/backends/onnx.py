"""onnxruntime on one thread: artifacts are ONNX models of one file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from agent.worker.backends.contract import check_onnx
from agent.worker.tensors import ANY, Tensors, TensorSpec

# Conv -> Relu -> GlobalAveragePool -> Flatten -> Gemm on [1, 1, 8] float32 (opset 17): wakes the runtime's usual
# kernels, so that its base is measured with them in memory and not charged to the first real model.
_TINY = base64.b64decode(
    "CAg6uQEKDwoBeAoBdxIBYSIEQ29udgoMCgFhEgFiIgRSZWx1ChkKAWISAWMiEUdsb2JhbEF2ZXJhZ2VQb29sCg8KAWMSAWQiB0ZsYXR0ZW4KDwoB"
    "ZAoBZxIBeSIER2VtbRIBdCoZCAEIAQgDEAFCAXdKDAAAAD8AAAA/AAAAPyoPCAEIARABQgFnSgQAAIA/WhcKAXgSEgoQCAESDAoCCAEKAggBCgII"
    "CGITCgF5Eg4KDAgBEggKAggBCgIIAUIECgAQEQ=="
)
_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
}


def check(path: Path) -> None:
    """See `Backend`."""
    check_onnx(path)


def open_session(source: str | bytes) -> OnnxSession:
    return OnnxSession(source)


def tiny() -> OnnxSession:
    return OnnxSession(_TINY)


class OnnxSession:
    """`source` is a path to a one-file ONNX model, or its bytes. Raises what onnxruntime raises."""

    platform = "onnx_onnxv1"

    def __init__(self, source: str | bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # costs no latency and saves a block
        options.log_severity_level = 4
        self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self.inputs = tuple(map(_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_spec, self._session.get_outputs()))

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        return [np.asarray(each) for each in self._session.run(None, inputs)]


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) and size > 0 else ANY for size in tensor.shape)
    return TensorSpec(tensor.name, _DATATYPES[tensor.type], shape)
