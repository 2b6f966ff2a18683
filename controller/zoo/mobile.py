"""The mobile model: inverted residuals with depthwise convolutions, on the same images as the residual model.

After MobileNetV2 (M. Sandler et al., 2018), with strides for 28 x 28 pixels. `build` and `data` are what its model spec
names.
"""

from __future__ import annotations

import torch
from torch import nn

from controller.pruning.model.data import Data
from controller.zoo.fashion import CLASSES, PIXELS, RECIPE, load_fashion
from controller.zoo.reference import Reference

_STEM, _LAST = 24, 192
_STAGES = ((24, 4, 2, 1), (48, 4, 3, 2), (80, 4, 3, 1))  # channels, expansion, blocks, the first one's stride


class InvertedResidual(nn.Module):
    """Expand by 1 x 1, filter each channel alone, project by 1 x 1 without activation; a shortcut where shapes allow.

    `[n, i, h, w]` to `[n, o, h / stride, w / stride]`.
    """

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        expand = [_Convolution(channels_in, wide, 1)] if expansion > 1 else []
        self.inner = nn.Sequential(
            *expand,
            _Convolution(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.inner(x)
        return x + y if self.has_shortcut else y


class Mobile(nn.Module):
    """`[n, 1, 28, 28]` standardised images to `[n, 10]` logits; 218,322 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(1, _STEM, 3, 2)
        blocks, width = list[nn.Module](), _STEM
        for channels, expansion, count, first_stride in _STAGES:
            for number in range(count):
                blocks.append(InvertedResidual(width, channels, expansion, 1 if number else first_stride))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.last = _Convolution(width, _LAST, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(_LAST, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(torch.flatten(self.pool(self.last(self.blocks(self.stem(x)))), 1))
        return logits


class _Convolution(nn.Sequential):
    """Convolution, normalisation, ReLU6."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(channels_out), nn.ReLU6())


def build() -> nn.Module:
    """The network, untrained."""
    return Mobile()


def data() -> Data:
    """Fashion-MNIST; raises `MissingDataError` where it is not installed."""
    return load_fashion()


REFERENCE = Reference(
    name="mobile",
    build=build,
    data=data,
    sample_shape=(1, PIXELS, PIXELS),
    recipe=RECIPE,
    accuracy_floor="88 %",
)
train, write_spec, write_replay = REFERENCE.train, REFERENCE.write_spec, REFERENCE.write_replay
