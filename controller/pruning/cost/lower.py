"""From torch's operators to the runtime's kernels: the kind, what never changes, and the sizes that widths may change.

An axis is a tuple of sizes whose product is the kernel's size along that axis. Operators that are not known are
charged as a copy of their result: whole measured artifacts correct what that misses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Axis = tuple[int, ...]
Fixed = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Lowered:
    """`fixed` are numbers, words and tuples of them. `fused` is what melted into the kernel: norm, add, act."""

    kind: str
    fixed: Fixed
    axes: tuple[Axis, ...]
    reads_weights: bool = False
    fresh: bool = True
    fused: tuple[str, ...] = ()


def lower(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], made: torch.Tensor, known: frozenset[int]
) -> Lowered | None:
    """The kernel of one operator; None for one that only looks at its input in another shape."""
    if name in _FREE or (name in _MOVES and _order(args[0]) == _order(made) and args[0].numel() == made.numel()):
        return None
    if name in _UNARY:
        return Lowered("unary", (_UNARY[name],), (tuple(made.shape),), fresh=False)
    if name in _BINARY:
        return _binary(_BINARY[name], args, made, known)
    rule = _RULES.get(name)
    return rule(args, kwargs, made) if rule is not None else Lowered("copy", (), (tuple(made.shape),))


_FREE = frozenset(
    (
        "view",
        "_unsafe_view",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "detach",
        "clone",
        "contiguous",
        "alias",
        "lift_fresh",
        "dropout",
        "_to_copy",
    )
)
_MOVES = frozenset(("transpose", "permute", "t", "expand", "select", "slice", "split", "split_with_sizes", "unbind"))
_UNARY = {
    "relu": "Relu",
    "hardtanh": "Clip",
    "relu6": "Clip",
    "clamp": "Clip",
    "clamp_min": "Clip",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "silu": "Silu",
    "hardswish": "HardSwish",
    "hardsigmoid": "HardSigmoid",
    "gelu": "Gelu",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "exp": "Exp",
    "sqrt": "Sqrt",
    "rsqrt": "Sqrt",
    "erf": "Erf",
    "softplus": "Softplus",
    "mish": "Mish",
    "abs": "Abs",
    "neg": "Neg",
}
_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "rsub": "Sub", "pow": "Mul"}


def _order(tensor: torch.Tensor) -> tuple[tuple[int, int], ...]:
    """Size and stride of the dimensions that are not 1: a move that leaves them alone is a reshape."""
    return tuple(zip((n for n in tensor.shape if n > 1), _dense_order(tensor), strict=True))


def _dense_order(tensor: torch.Tensor) -> list[int]:
    strides = [stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]
    return [sorted(strides, reverse=True).index(stride) for stride in strides]


def _binary(op: str, args: tuple[Any, ...], made: torch.Tensor, known: frozenset[int]) -> Lowered:
    tensors = [each for each in args[:2] if isinstance(each, torch.Tensor)]
    small = min(tensors, key=lambda each: each.numel())
    weights = any(id(each) not in known for each in tensors)
    if len(tensors) < 2 or small.numel() == 1:
        return Lowered("binary", (op, "scalar"), (tuple(made.shape),), fresh=False)
    if small.numel() == made.numel():
        mode = "weight" if weights else "same"
        return Lowered("binary", (op, mode), (tuple(made.shape),), reads_weights=weights, fresh=False)
    padded = (1,) * (made.ndim - small.ndim) + tuple(small.shape)
    used = [size > 1 for size in padded]
    last = used[-1]
    kept = tuple(size for size, each in zip(made.shape, used, strict=True) if each)
    rest = tuple(size for size, each in zip(made.shape, used, strict=True) if not each) or (1,)
    return Lowered("binary", (op, "last" if last else "first"), (kept, rest), reads_weights=weights, fresh=False)


def _conv(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    read, weight, _, stride, padding, dilation, transposed, extra, groups = args[:9]
    size, kernel = tuple(read.shape[2:]), tuple(weight.shape[2:])
    settings = tuple(map(_ints, (stride, padding, dilation, extra)))
    fixed = (size, kernel, *settings, bool(transposed))
    axes = ((read.shape[1],), (made.shape[1],), (groups,))
    return Lowered("conv", fixed, axes, reads_weights=True)


def _gemm(read: torch.Tensor, made: torch.Tensor) -> Lowered:
    rows = tuple(made.shape[:-1]) or (1,)
    return Lowered("gemm", (), (rows, (read.shape[-1],), (made.shape[-1],)), reads_weights=True)


def _bmm(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    return Lowered(
        "matmul", (), (tuple(made.shape[:-2]) or (1,), (made.shape[-2],), (args[0].shape[-1],), (made.shape[-1],))
    )


def _attention(args: tuple[Any, ...], _kwargs: Mapping[str, Any], _made: torch.Tensor) -> Lowered:
    query, key = args[:2]
    return Lowered(
        "attention",
        (),
        (tuple(query.shape[:-2]), (query.shape[-2],), (key.shape[-2],), (query.shape[-1],)),
    )


def _batch_norm(args: tuple[Any, ...], _kwargs: Mapping[str, Any], _made: torch.Tensor) -> Lowered:
    shape = args[0].shape
    return Lowered("batch_norm", (), ((shape[1],), tuple(shape[2:]) or (1,)), reads_weights=True)


def _layer_norm(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    inner = len(args[1])
    return Lowered(
        "layer_norm", (), (tuple(made.shape[:-inner]) or (1,), tuple(made.shape[-inner:])), reads_weights=True
    )


def _group_norm(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    return Lowered("group_norm", (), ((args[6],), (made.shape[1],), tuple(made.shape[2:]) or (1,)), reads_weights=True)


def _pool(op: str) -> Callable[..., Lowered]:
    def rule(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
        kernel = _ints(args[1])
        stride = _ints(args[2]) if len(args) > 2 and args[2] else kernel
        padding = _ints(args[3]) if len(args) > 3 else (0,)
        rank = made.ndim - 2
        size = tuple(args[0].shape[2:])
        kernel, stride, padding = (each * rank if len(each) == 1 else each for each in (kernel, stride, padding))
        return Lowered("pool", (op, size, kernel, stride, padding), ((made.shape[1],),))

    return rule


def _adaptive(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    size, wanted = tuple(args[0].shape[2:]), tuple(made.shape[2:])
    stride = tuple(max(1, have // want) for have, want in zip(size, wanted, strict=True))
    return Lowered("pool", ("AveragePool", size, stride, stride, (0,) * len(size)), ((made.shape[1],),))


def _mean(args: tuple[Any, ...], _kwargs: Mapping[str, Any], _made: torch.Tensor) -> Lowered:
    shape = args[0].shape
    gone = {axis % len(shape) for axis in (args[1] if len(args) > 1 and args[1] is not None else range(len(shape)))}
    kept = tuple(size for axis, size in enumerate(shape) if axis not in gone) or (1,)
    reduced = tuple(shape[axis] for axis in sorted(gone))
    return Lowered("mean", ("last" if len(shape) - 1 in gone else "first",), (kept, reduced))


def _concat(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    return Lowered("concat", (len(args[0]),), (tuple(made.shape),))


def _softmax(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
    axis = args[1] % made.ndim
    return Lowered("softmax", (), ((*made.shape[:axis], *made.shape[axis + 1 :]) or (1,), (made.shape[axis],)))


def _resize(mode: str) -> Callable[..., Lowered]:
    def rule(args: tuple[Any, ...], _kwargs: Mapping[str, Any], made: torch.Tensor) -> Lowered:
        return Lowered("resize", (mode, tuple(args[0].shape[2:]), tuple(made.shape[2:])), ((made.shape[1],),))

    return rule


def _ints(value: Any) -> tuple[int, ...]:
    return (int(value),) if isinstance(value, int) else tuple(int(each) for each in value)


_RULES: dict[str, Callable[..., Lowered]] = {
    "convolution": _conv,
    "addmm": lambda args, _, made: _gemm(args[1], made),
    "mm": lambda args, _, made: _gemm(args[0], made),
    "linear": lambda args, _, made: _gemm(args[0], made),
    "bmm": _bmm,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_attention_math": _attention,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "max_pool2d_with_indices": _pool("MaxPool"),
    "max_pool3d_with_indices": _pool("MaxPool"),
    "max_pool2d": _pool("MaxPool"),
    "avg_pool2d": _pool("AveragePool"),
    "avg_pool3d": _pool("AveragePool"),
    "_adaptive_avg_pool2d": _adaptive,
    "_adaptive_avg_pool3d": _adaptive,
    "mean": _mean,
    "cat": _concat,
    "_softmax": _softmax,
    "upsample_nearest1d": _resize("nearest"),
    "upsample_nearest2d": _resize("nearest"),
    "upsample_nearest3d": _resize("nearest"),
    "upsample_bilinear2d": _resize("linear"),
}
