"""ncnn on one thread: small, and built for 32-bit ARM and musl too. An artifact is a ZIP archive, nothing compressed:

    model.json    {"inputs": [{"name", "datatype", "shape"}], "outputs": [...]}, the batch axis first and 1
    model.param   ncnn's graph, whose blobs are in0, in1 ... and out0, out1 ... in the order of model.json
    model.bin     its weights

ncnn itself knows no batch axis, and computes in float32 whatever it could do faster: figures are to be the reference's.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import ncnn
import numpy as np
from numpy.typing import NDArray

from agent.worker.backends.contract import ContractError
from agent.worker.tensors import Tensors, TensorSpec

_PARTS = ("model.json", "model.param", "model.bin")
_TINY = "7767517\n2 2\nInput in0 0 1 in0\nReLU relu 1 1 in0 out0\n"


class Signature(msgspec.Struct, frozen=True):
    """`model.json`."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def check(path: Path) -> None:
    """See `Backend`."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise ContractError(f"it is no ncnn artifact: {error}") from None
    if tuple(each.filename for each in parts) != _PARTS:
        raise ContractError(f"it holds {[each.filename for each in parts][:10]}; {list(_PARTS)} is allowed")
    if any(each.compress_type != zipfile.ZIP_STORED for each in parts):
        raise ContractError("it is compressed; its parts must be stored as they are")


def open_session(source: str | bytes) -> NcnnSession:
    with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
        signature, graph, weights = (archive.read(part) for part in _PARTS)
    return NcnnSession(msgspec.json.decode(signature, type=Signature), graph.decode(), weights)


def tiny() -> NcnnSession:
    return NcnnSession(Signature((TensorSpec("x", "FP32", (1, 8)),), (TensorSpec("y", "FP32", (1, 8)),)), _TINY, b"")


class NcnnSession:
    """Raises `RuntimeError` where ncnn does not load it."""

    platform = "ncnn"

    def __init__(self, signature: Signature, graph: str, weights: bytes) -> None:
        self.inputs, self.outputs = signature.inputs, signature.outputs
        self._weights = weights  # ncnn refers to these bytes
        self._net = ncnn.Net()
        options = self._net.opt
        options.num_threads = 1
        options.use_vulkan_compute = False
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_storage = False
        if self._net.load_param_mem(graph):
            raise RuntimeError("ncnn does not know an operator of the model")
        if weights and self._net.load_model_mem(weights):
            raise RuntimeError("ncnn cannot load the weights")
        names = len(self._net.input_names()), len(self._net.output_names())
        if names != (len(self.inputs), len(self.outputs)):
            raise RuntimeError(f"the graph has {names[0]} inputs and {names[1]} outputs, model.json others")

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        # A copy: where the first operator works in place, ncnn would write into the caller's array.
        samples = [ncnn.Mat(np.ascontiguousarray(inputs[each.name][0])).clone() for each in self.inputs]
        extractor = self._net.create_extractor()
        for number, sample in enumerate(samples):
            extractor.input(f"in{number}", sample)
        return [self._output(extractor, number, each) for number, each in enumerate(self.outputs)]

    def _output(self, extractor: Any, number: int, spec: TensorSpec) -> NDArray[Any]:
        code, made = extractor.extract(f"out{number}")
        if code:
            raise RuntimeError(f"ncnn ended with code {code} before output {spec.name!r}")
        return np.array(made, dtype=np.float32).reshape(spec.shape)
