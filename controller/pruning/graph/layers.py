"""What the kinds of layers hold for each of their channels, and which attributes count them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

Conv = nn.modules.conv._ConvNd
CHANNEL_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
CUT_LAYERS = (Conv, *CHANNEL_NORMS, nn.Linear, nn.GroupNorm, nn.PReLU)
_PER_CHANNEL = ("weight", "bias", "running_mean", "running_var")


def depthwise(layer: nn.Module) -> bool:
    """True for a convolution of one input channel a group: a channel in is a channel (or several) out."""
    return isinstance(layer, Conv) and 1 < layer.groups == layer.in_channels


def slices(layer: nn.Module, output: bool) -> Iterator[tuple[str, int]]:
    """The names of the layer's tensors that have a slice for each output (or input) channel, with the axis."""
    if isinstance(layer, (Conv, nn.Linear)):
        transposed = bool(getattr(layer, "transposed", False)) and not depthwise(layer)
        yield "weight", int(transposed == output)
        if output and layer.bias is not None:
            yield "bias", 0
        return
    for name in _PER_CHANNEL:
        if isinstance(getattr(layer, name, None), torch.Tensor):
            yield name, 0


def width(layer: nn.Module, output: bool) -> int:
    """How many rows the layer has, along the axis that `Touch.rows` count."""
    if isinstance(layer, Conv):
        return int(layer.out_channels if output else layer.in_channels // layer.groups)
    if isinstance(layer, nn.Linear):
        return layer.out_features if output else layer.in_features
    if isinstance(layer, nn.GroupNorm):
        return layer.num_channels
    return int(layer.num_parameters if isinstance(layer, nn.PReLU) else layer.num_features)  # type: ignore[arg-type]


def set_width(layer: nn.Module, output: bool, channels: int, whole_groups: bool) -> None:
    """Tell the layer that it now has `channels` rows along that axis.

    `whole_groups`: a convolution lost them with their groups, as a depthwise one does, not slots of every group.
    """
    if isinstance(layer, Conv):
        _set_conv_width(layer, output, channels, whole_groups)
    elif isinstance(layer, nn.Linear):
        setattr(layer, "out_features" if output else "in_features", channels)
    elif isinstance(layer, nn.GroupNorm):
        layer.num_groups = channels * layer.num_groups // layer.num_channels
        layer.num_channels = channels
    else:
        setattr(layer, "num_parameters" if isinstance(layer, nn.PReLU) else "num_features", channels)


def _set_conv_width(layer: Conv, output: bool, channels: int, whole_groups: bool) -> None:
    if whole_groups:
        layer.groups = layer.in_channels = channels * layer.groups // layer.out_channels
        layer.out_channels = channels
    elif output:
        layer.out_channels = channels
    else:
        layer.in_channels = channels * layer.groups
