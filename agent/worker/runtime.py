"""The backend seam: an artifact as something that runs. onnxruntime, one thread, is the backend there is."""

from __future__ import annotations

import base64
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
}
# Conv -> Relu -> GlobalAveragePool -> Flatten -> Gemm on [1, 1, 8] float32 (opset 17): wakes the runtime's usual
# kernels, so that its base is measured with them in memory and not charged to the first real model.
_TINY = base64.b64decode(
    "CAg6uQEKDwoBeAoBdxIBYSIEQ29udgoMCgFhEgFiIgRSZWx1ChkKAWISAWMiEUdsb2JhbEF2ZXJhZ2VQb29sCg8KAWMSAWQiB0ZsYXR0ZW4KDwoB"
    "ZAoBZxIBeSIER2VtbRIBdCoZCAEIAQgDEAFCAXdKDAAAAD8AAAA/AAAAPyoPCAEIARABQgFnSgQAAIA/WhcKAXgSEgoQCAESDAoCCAEKAggBCgII"
    "CGITCgF5Eg4KDAgBEggKAggBCgIIAUIECgAQEQ=="
)


class Session(Protocol):
    def example(self, rng: np.random.Generator) -> Tensors:
        """Random inputs of the declared shapes; a dynamic dimension is 1."""

    def run(self, inputs: Tensors) -> NDArray[Any]:
        """The first output."""

    def bind(self, sample: NDArray[Any]) -> Tensors:
        """`sample` (no batch axis) as the first input, batch 1."""


class OnnxSession:
    """`source` is a path to a one-file ONNX model, or its bytes. Raises what onnxruntime raises."""

    def __init__(self, source: str | bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # costs no latency and saves a block
        options.log_severity_level = 4
        self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self._inputs = self._session.get_inputs()
        self._output = self._session.get_outputs()[0].name

    def example(self, rng: np.random.Generator) -> Tensors:
        return {each.name: _random(each, rng) for each in self._inputs}

    def run(self, inputs: Tensors) -> NDArray[Any]:
        return np.asarray(self._session.run([self._output], inputs)[0])

    def bind(self, sample: NDArray[Any]) -> Tensors:
        first = self._inputs[0]
        return {first.name: np.ascontiguousarray(sample[np.newaxis], dtype=_DTYPES[first.type])}


def wake_runtime() -> None:
    """Load and run the smallest model, so that what follows measures the model and not the runtime."""
    session = OnnxSession(_TINY)
    session.run(session.example(np.random.default_rng(0)))


def _random(tensor: Any, rng: np.random.Generator) -> NDArray[Any]:
    shape = [size if isinstance(size, int) and size > 0 else 1 for size in tensor.shape]
    dtype = _DTYPES[tensor.type]
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 2, size=shape).astype(dtype)
    return rng.standard_normal(size=shape).astype(dtype)
