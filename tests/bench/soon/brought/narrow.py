"""A narrow net of the MobileNetV3 kind, without squeeze-and-excite: 51 convolutions, some 84,000 parameters."""

from __future__ import annotations

import torch
from torch import nn

_CLASSES, _STEM, _LAST = 2, 8, 96
# Of sixteen blocks: channels, how many times as many inside, the depthwise kernel's side, and the strides.
_BLOCKS = (
    *((8, 1, 3, (2, 1)), (12, 4, 3, (2, 2)), (12, 3, 3, (1, 1)), (12, 3, 3, (1, 1))),
    *((16, 4, 5, (2, 2)), (16, 4, 5, (1, 1)), (16, 4, 5, (1, 1)), (16, 4, 5, (1, 1))),
    *((20, 4, 5, (1, 1)), (20, 4, 5, (1, 1)), (20, 4, 5, (1, 1)), (20, 4, 5, (1, 1))),
    *((28, 4, 5, (2, 2)), (28, 4, 5, (1, 1)), (28, 5, 5, (1, 1)), (28, 5, 5, (1, 1))),
)


def _conv(channels_in: int, channels_out: int, side: int, strides: tuple[int, int], groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, side, strides, side // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


class Block(nn.Module):
    """Widen, depthwise, narrow; with a shortcut where it changes no shape."""

    def __init__(self, channels_in: int, channels_out: int, times: int, side: int, strides: tuple[int, int]) -> None:
        super().__init__()
        inside = channels_in * times
        self.widen = nn.Sequential(_conv(channels_in, inside, 1, (1, 1)), nn.Hardswish())
        self.depthwise = nn.Sequential(_conv(inside, inside, side, strides, inside), nn.Hardswish())
        self.narrow = _conv(inside, channels_out, 1, (1, 1))
        self.has_shortcut = channels_in == channels_out and strides == (1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.narrow(self.depthwise(self.widen(x)))
        return x + y if self.has_shortcut else y


def build() -> nn.Module:
    """`[n, 3, 48, 192]` to `[n, 2]` logits."""
    layers: list[nn.Module] = [
        _conv(3, _STEM, 3, (2, 2)),
        nn.Hardswish(),
        _conv(_STEM, _STEM, 3, (1, 1)),
        nn.Hardswish(),
    ]
    width = _STEM
    for channels, times, side, strides in _BLOCKS:
        layers.append(Block(width, channels, times, side, strides))
        width = channels
    layers += [_conv(width, _LAST, 1, (1, 1)), nn.Hardswish()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_LAST, _CLASSES))
