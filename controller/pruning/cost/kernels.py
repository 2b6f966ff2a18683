"""One kernel as a few ONNX nodes, in float or between quantisers, so that the runtime picks the kernel it would.

The nodes of a kernel begin with its prefix; what the runtime adds on the way in and out (another layout) does not, and
is not the kernel's time: inside a network neighbours share the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from controller.core.nouns.variant import Precision

OPSET = 20
_SCALE, _ZERO = 0.05, 128


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of given sizes. `precision` is fp32 or int8; `sizes` are the axes of its kind."""

    kind: str
    fixed: tuple[Any, ...]
    fused: tuple[str, ...]
    precision: Precision
    sizes: tuple[int, ...]

    @property
    def bytes_held(self) -> int:
        """About what measuring it takes: a bound for how many share a session."""
        if self.kind == "conv":
            cin, cout, groups = self.sizes
            values = prod(self.fixed[0]) * (cin + 2 * cout) + 2 * prod(self.fixed[1]) * cin * cout // groups
            return 4 * int(values)
        return 12 * prod(self.sizes)


@dataclass
class Bench:
    """The one graph that many kernels are measured in; they do not touch each other."""

    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def model(self) -> bytes:
        graph = helper.make_graph(self.nodes, "bench", self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        return bytes(model.SerializeToString())


class Emitter:
    """Adds one kernel to a bench: values are named after its prefix, and pass quantisers where it is int8."""

    def __init__(self, bench: Bench, prefix: str, int8: bool) -> None:
        self._bench, self._prefix, self._int8, self._count = bench, prefix, int8, 0

    def input(self, shape: Sequence[int]) -> str:
        name = self._name()
        kind = TensorProto.UINT8 if self._int8 else TensorProto.FLOAT
        self._bench.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return self._dequantise(name) if self._int8 else name

    def weight(self, shape: Sequence[int], axis: int = 0) -> str:
        """A layer's weights: signed bytes with a scale a channel where int8."""
        if not self._int8:
            return self.constant(np.full(shape, 0.01, np.float32))
        scale = self.constant(np.full(shape[axis], 0.01, np.float32))
        zero = self.constant(np.zeros(shape[axis], np.int8))
        values = (np.arange(prod(shape)) % 61 - 30).astype(np.int8).reshape(shape)
        return self.node("DequantizeLinear", [self.constant(values), scale, zero], axis=axis)

    def bias(self, channels: int) -> str:
        if not self._int8:
            return self.constant(np.full(channels, 0.01, np.float32))
        scale = self.constant(np.full(channels, 0.01 * _SCALE, np.float32))
        zero = self.constant(np.zeros(channels, np.int32))
        return self.node("DequantizeLinear", [self.constant(np.ones(channels, np.int32)), scale, zero], axis=0)

    def constant(self, value: NDArray[Any]) -> str:
        name = self._name()
        self._bench.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, inputs: Sequence[str], **settings: Any) -> str:
        name = self._name()
        self._bench.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **settings))
        return name

    def output(self, value: str) -> None:
        kind = TensorProto.UINT8 if self._int8 else TensorProto.FLOAT
        last = self._quantise(value) if self._int8 else value
        self._bench.outputs.append(helper.make_tensor_value_info(last, kind, None))

    def activation(self, value: str) -> str:
        """A cheap one behind a kernel. In int8 it costs nothing: the quantiser's range clips."""
        return value if self._int8 else self.node("Relu", [value])

    def requantise(self, value: str) -> str:
        """Between two operators of one kernel, as the quantiser would."""
        return self._dequantise(self._quantise(value)) if self._int8 else value

    def _quantise(self, value: str) -> str:
        return self.node("QuantizeLinear", [value, *self._scales()])

    def _dequantise(self, value: str) -> str:
        return self.node("DequantizeLinear", [value, *self._scales()])

    def _scales(self) -> list[str]:
        return [self.constant(np.array(_SCALE, np.float32)), self.constant(np.array(_ZERO, np.uint8))]

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}_{self._count}"


def emit(bench: Bench, prefix: str, kernel: Kernel) -> None:
    """Add `kernel` to `bench` with names that begin with `prefix` and an underscore."""
    to = Emitter(bench, prefix, kernel.precision is Precision.INT8)
    made = _EMIT[kernel.kind](to, kernel)
    to.output(made)


def _conv(to: Emitter, kernel: Kernel) -> str:
    size, window, stride, padding, dilation, extra, transposed = kernel.fixed
    cin, cout, groups = kernel.sizes
    read = to.input((1, cin, *size))
    settings = {
        "kernel_shape": window,
        "strides": stride,
        "pads": (*padding, *padding),
        "dilations": dilation,
        "group": groups,
    }
    if transposed:
        weight = to.weight((cin, cout // groups, *window), 1)
        made = to.node("ConvTranspose", [read, weight, to.bias(cout)], output_padding=extra, **settings)
    else:
        weight = to.weight((cout, cin // groups, *window))
        made = to.node("Conv", [read, weight, to.bias(cout)], **settings)
    if "add" in kernel.fused:
        made = to.node("Add", [made, _like(to, kernel)])
    return to.activation(made) if "act" in kernel.fused else made


def _like(to: Emitter, kernel: Kernel) -> str:
    """Another tensor of the convolution's output shape."""
    size, window, stride, padding, dilation, _, _ = kernel.fixed
    every = zip(size, window, stride, padding, dilation, strict=True)
    return to.input((1, kernel.sizes[1], *((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in every)))


def _gemm(to: Emitter, kernel: Kernel) -> str:
    rows, k, n = kernel.sizes
    made = to.node("Gemm", [to.input((rows, k)), to.weight((n, k)), to.bias(n)], transB=1)
    return to.activation(made) if "act" in kernel.fused else made


def _matmul(to: Emitter, kernel: Kernel) -> str:
    batch, m, k, n = kernel.sizes
    return to.node("MatMul", [to.input((batch, m, k)), to.input((batch, k, n))])


def _attention(to: Emitter, kernel: Kernel) -> str:
    heads, queries, keys, depth = kernel.sizes
    scale = to.constant(np.array(depth**-0.25, np.float32))
    query = to.requantise(to.node("Mul", [to.input((1, heads, queries, depth)), scale]))
    turned = to.requantise(to.node("Transpose", [to.input((1, heads, keys, depth))], perm=[0, 1, 3, 2]))
    scaled = to.requantise(to.node("Mul", [turned, scale]))
    scores = to.requantise(to.node("MatMul", [query, scaled]))
    shares = to.requantise(to.node("Softmax", [scores], axis=-1))
    return to.node("MatMul", [shares, to.input((1, heads, keys, depth))])


def _unary(to: Emitter, kernel: Kernel) -> str:
    read = to.input((1, *kernel.sizes))
    if kernel.fixed[0] == "Silu":
        return to.node("Mul", [read, to.requantise(to.node("Sigmoid", [read]))])
    if kernel.fixed[0] == "HardSwish":  # as the runtime takes it apart
        gate = to.node("HardSigmoid", [read], alpha=1 / 6, beta=0.5)
        return to.node("Mul", [read, to.requantise(gate)])
    if kernel.fixed[0] == "Clip":
        low, high = (to.constant(np.array(each, np.float32)) for each in (0, 6))
        return to.node("Clip", [read, low, high])
    return to.node(kernel.fixed[0], [read])


def _binary(to: Emitter, kernel: Kernel) -> str:
    op, mode = kernel.fixed
    if mode == "scalar":
        other, shape = to.constant(np.array(0.5, np.float32)), (1, *kernel.sizes)
    elif mode in ("same", "weight"):
        shape = (1, *kernel.sizes)
        other = to.input(shape) if mode == "same" else to.constant(np.full(shape, 0.5, np.float32))
    else:
        kept, rest = kernel.sizes
        shape = (1, rest, kept) if mode == "last" else (1, kept, rest)
        other = to.input((1, 1, kept) if mode == "last" else (1, kept, 1))
    made = to.node(op, [to.input(shape), other])
    return to.activation(made) if "act" in kernel.fused else made


def _batch_norm(to: Emitter, kernel: Kernel) -> str:
    channels, rest = kernel.sizes
    numbers = [to.constant(np.full(channels, 0.5, np.float32)) for _ in range(4)]
    return to.node("BatchNormalization", [to.input((1, channels, rest)), *numbers])


def _layer_norm(to: Emitter, kernel: Kernel) -> str:
    rows, width = kernel.sizes
    numbers = [to.constant(np.full(width, 0.5, np.float32)) for _ in range(2)]
    return to.node("LayerNormalization", [to.input((1, rows, width)), *numbers])


def _group_norm(to: Emitter, kernel: Kernel) -> str:
    groups, channels, rest = kernel.sizes
    numbers = [to.constant(np.full(groups, 0.5, np.float32)) for _ in range(2)]
    made = to.node("InstanceNormalization", [to.input((1, groups, channels * rest // groups)), *numbers])
    shaped = to.node("Reshape", [to.requantise(made), to.constant(np.array([1, channels, -1], np.int64))])
    for op in ("Mul", "Add"):
        shaped = to.requantise(to.node(op, [shaped, to.constant(np.full((channels, 1), 0.5, np.float32))]))
    return shaped


def _pool(to: Emitter, kernel: Kernel) -> str:
    op, size, window, stride, padding = kernel.fixed
    read = to.input((1, kernel.sizes[0], *size))
    return to.node(op, [read], kernel_shape=window, strides=stride, pads=(*padding, *padding))


def _mean(to: Emitter, kernel: Kernel) -> str:
    kept, reduced = kernel.sizes
    last = kernel.fixed[0] == "last"
    axes = to.constant(np.array([-1] if last else [1], np.int64))
    return to.node("ReduceMean", [to.input((1, kept, reduced) if last else (1, reduced, kept)), axes], keepdims=1)


def _concat(to: Emitter, kernel: Kernel) -> str:
    share, left = divmod(kernel.sizes[0], kernel.fixed[0])
    parts = [(1, share + (left if part == 0 else 0)) for part in range(kernel.fixed[0])]
    return to.node("Concat", [to.input(shape) for shape in parts if shape[1]], axis=1)


def _softmax(to: Emitter, kernel: Kernel) -> str:
    return to.node("Softmax", [to.input(kernel.sizes)], axis=-1)


def _resize(to: Emitter, kernel: Kernel) -> str:
    mode, have, want = kernel.fixed
    shape = to.constant(np.array([1, kernel.sizes[0], *want], np.int64))
    settings = {"mode": mode, "coordinate_transformation_mode": "asymmetric"}
    if mode == "nearest":
        settings["nearest_mode"] = "floor"
    return to.node("Resize", [to.input((1, kernel.sizes[0], *have)), "", "", shape], **settings)


def _copy(to: Emitter, kernel: Kernel) -> str:
    # Turned, as a copy in the same order is one that the runtime removes.
    tall = next(each for each in (8, 4, 2, 1) if kernel.sizes[0] % each == 0)
    return to.node("Transpose", [to.input((1, tall, kernel.sizes[0] // tall))], perm=[0, 2, 1])


_EMIT: dict[str, Callable[[Emitter, Kernel], str]] = {
    "conv": _conv,
    "gemm": _gemm,
    "matmul": _matmul,
    "attention": _attention,
    "unary": _unary,
    "binary": _binary,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "pool": _pool,
    "mean": _mean,
    "concat": _concat,
    "softmax": _softmax,
    "resize": _resize,
    "copy": _copy,
}
