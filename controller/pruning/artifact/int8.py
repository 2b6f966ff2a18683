"""Static INT8 of an fp32 artifact: a quarter of the bytes, and integer kernels where the runtime has them.

Weights are signed, one scale a channel; activations unsigned. Weights keep to 7 of the 8 bits: x86 without VNNI adds
two products in 16 bits, and with all 8 bits these saturate silently (a small residual network then changed 5 % of its
top-1 answers under an emulated Haswell; with 7 bits its answers were equal to the last bit).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from controller.pruning.artifact.export import silence
from controller.pruning.artifact.slim import slim
from controller.pruning.errors import ExportError
from controller.pruning.model.data import Floats

CALIBRATION_SAMPLES = 256
_WEIGHTED = ("Conv", "Gemm", "MatMul")
# What only moves, bounds or joins values stays in integers between the operators that multiply.
_BETWEEN = ("Relu", "LeakyRelu", "Clip", "Sigmoid", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Resize",
            "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Pad")  # fmt: skip
_ELEMENTWISE = ("Add", "Mul")
# Sums on their way into these have outliers that 256 steps cannot hold.
_SENSITIVE = ("LayerNormalization", "Softmax", "Erf", "Gelu")


def quantise(artifact: bytes, calibration: Floats) -> bytes:
    """The INT8 artifact (QDQ) of the fp32 `artifact`; inputs and outputs stay float32. Equal inputs give equal bytes.

    `calibration` `[n, ...]` are inputs from the train split; `CALIBRATION_SAMPLES` evenly spaced ones are run for the
    least and the greatest value of each activation. Raises `ExportError` where nothing can be quantised, and
    `OSError` and `MemoryError` as they come.
    """
    if not len(calibration):
        raise ExportError("the model cannot be quantised without calibration inputs")
    try:
        with silence(), tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
            proto = _quantise(artifact, _evenly(calibration), Path(folder))
            _drop_bias_zeros(proto.graph)
            quantised = slim(proto)
    except (OSError, MemoryError):  # of this host, at this time: the model is not to blame
        raise
    except Exception as error:  # the quantiser raises anything, also bare `Exception` and `AssertionError`
        raise ExportError(f"the model cannot be quantised: {type(error).__name__}: {error}") from error
    if not any(each.data_type == onnx.TensorProto.INT8 for each in proto.graph.initializer):
        raise ExportError(f"the model cannot be quantised: no weights in {', '.join(_WEIGHTED)}")
    return quantised


def _quantise(artifact: bytes, inputs: Floats, folder: Path) -> Any:
    given, prepared, quantised = (folder / name for name in ("given.onnx", "prepared.onnx", "quantised.onnx"))
    given.write_bytes(artifact)
    quant_pre_process(given, prepared, skip_symbolic_shape=True)  # shapes are static
    proto = onnx.load(prepared)
    for number, node in enumerate(proto.graph.node):
        node.name = f"n{number}"  # the quantiser tells nodes by name, and artifacts have none
    onnx.save(proto, prepared)
    quantize_static(
        prepared,
        quantised,
        _Reader(proto.graph.input[0].name, inputs),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_quantisable(proto.graph),
        nodes_to_exclude=_of_activations(proto.graph),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        # Gemm and MatMul of integers give floats at no cost; rounding these would only lose.
        extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
    )
    return onnx.load(quantised)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """The inputs one by one, as the quantiser asks for them."""

    def __init__(self, name: str, inputs: Floats) -> None:
        self._batches = ({name: each[np.newaxis]} for each in inputs)

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._batches, None)


def _evenly(inputs: Floats) -> Floats:
    chosen = np.linspace(0, len(inputs) - 1, min(CALIBRATION_SAMPLES, len(inputs))).astype(np.int64)
    return inputs[chosen]


def _quantisable(graph: Any) -> list[str]:
    present = {node.op_type for node in graph.node}
    return [*_WEIGHTED, *_BETWEEN, *(() if present & set(_SENSITIVE) else _ELEMENTWISE)]


def _of_activations(graph: Any) -> list[str]:
    """Products of two activations, as in attention: these stay float."""
    constant = {each.name for each in graph.initializer}
    return [node.name for node in graph.node if node.op_type in _WEIGHTED and node.input[1] not in constant]


def _drop_bias_zeros(graph: Any) -> None:
    """A bias has its zero point at 0 by definition, and by default."""
    biases = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.INT32}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in biases:
            del node.input[2:]
