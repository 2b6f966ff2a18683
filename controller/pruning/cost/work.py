"""What a structure costs by arithmetic: weights, multiply-accumulates and activations as functions of the group widths.

Every layer's input and output width is linear in the kept channels of the groups that touch it; work is the product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from controller.pruning.graph.structure import ChannelGroup

Widths = Mapping[str, int]
FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Work:
    """Of one inference: `activation_bytes` are input and output of the widest layer, `traffic_bytes` of all layers."""

    weights_bytes: float
    macs: float
    activation_bytes: float
    traffic_bytes: float


@dataclass(frozen=True, slots=True, eq=False)
class WorkModel:
    """The layers of a model as arrays, one row a layer, one column a group. `work` is bilinear in the widths."""

    roots: tuple[str, ...]
    full_in: NDArray[np.float64]
    full_out: NDArray[np.float64]
    lost_in: NDArray[np.float64]
    lost_out: NDArray[np.float64]
    kernel: NDArray[np.float64]
    per_output: NDArray[np.float64]
    positions_in: NDArray[np.float64]
    positions_out: NDArray[np.float64]
    full_widths: NDArray[np.float64]

    def work(self, widths: Widths) -> Work:
        gone = self.full_widths - np.array([widths[root] for root in self.roots], dtype=np.float64)
        inputs, outputs = self.full_in - self.lost_in @ gone, self.full_out - self.lost_out @ gone
        weights = outputs * (inputs * self.kernel + self.per_output)
        made, read = outputs * self.positions_out, inputs * self.positions_in
        return Work(
            weights_bytes=float(weights.sum()) * FLOAT_BYTES,
            macs=float((weights * self.positions_out).sum()),
            activation_bytes=float(np.max(made + read, initial=0.0)) * FLOAT_BYTES,
            traffic_bytes=float((made + read).sum()) * FLOAT_BYTES,
        )


@dataclass(frozen=True, slots=True)
class _Layer:
    name: str
    channels_in: float
    channels_out: float
    kernel: float
    per_output: float
    positions_in: float
    positions_out: float


def describe_work(model: nn.Module, sample: torch.Tensor, groups: tuple[ChannelGroup, ...]) -> WorkModel:
    """Read the layers off one run of `model` on `sample` (one batch)."""
    layers = _layers(model, sample)
    rows = {layer.name: row for row, layer in enumerate(layers)}
    lost_in, lost_out = np.zeros((len(layers), len(groups))), np.zeros((len(layers), len(groups)))
    for column, group in enumerate(groups):
        for touch in group.touches:
            if touch.layer in rows:
                # Rows read by a grouped convolution are positions in a group; each is a channel of every group.
                times = 1 if touch.output else getattr(model.get_submodule(touch.layer), "groups", 1)
                per_channel = times * sum(map(len, touch.rows)) / group.channels
                (lost_out if touch.output else lost_in)[rows[touch.layer], column] += per_channel
    columns = {key: np.array([getattr(layer, key) for layer in layers], dtype=np.float64) for key in _COLUMNS}
    return WorkModel(
        roots=tuple(group.root for group in groups),
        full_in=columns["channels_in"],
        full_out=columns["channels_out"],
        lost_in=lost_in,
        lost_out=lost_out,
        kernel=columns["kernel"],
        per_output=columns["per_output"],
        positions_in=columns["positions_in"],
        positions_out=columns["positions_out"],
        full_widths=np.array([group.channels for group in groups], dtype=np.float64),
    )


_COLUMNS = ("channels_in", "channels_out", "kernel", "per_output", "positions_in", "positions_out")


@torch.no_grad()
def _layers(model: nn.Module, sample: torch.Tensor) -> list[_Layer]:
    found = list[_Layer]()

    def hook(name: str) -> object:
        def read(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            found.append(_describe(name, layer, inputs[0], output))

        return read

    kinds = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm)
    named = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, kinds)]
    handles = [layer.register_forward_hook(hook(name)) for name, layer in named]  # type: ignore[arg-type]
    try:
        model(sample)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _describe(name: str, layer: nn.Module, read: torch.Tensor, made: torch.Tensor) -> _Layer:
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        # The runtime folds it into the convolution before: it costs its four numbers a channel and no work.
        return _Layer(name, 0.0, layer.num_features, 0.0, 4.0, 0.0, 0.0)
    has_bias = float(layer.bias is not None)
    if isinstance(layer, nn.Linear):
        read_at, made_at = read.numel() / layer.in_features, made.numel() / layer.out_features
        return _Layer(name, layer.in_features, layer.out_features, 1.0, has_bias, read_at, made_at)
    assert isinstance(layer, nn.modules.conv._ConvNd)
    taps = float(np.prod(layer.kernel_size))
    made_at, read_at = made[0, 0].numel(), read[0, 0].numel()
    if layer.groups == layer.in_channels == layer.out_channels:
        return _Layer(name, 0.0, layer.out_channels, 0.0, taps + has_bias, 0.0, float(made_at))
    kernel = taps / layer.groups
    return _Layer(name, layer.in_channels, layer.out_channels, kernel, has_bias, float(read_at), float(made_at))
