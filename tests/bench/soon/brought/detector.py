"""A backbone as of the YOLO detectors, with a head that names a shape: some 350,000 parameters."""

from __future__ import annotations

import torch
from torch import nn

_CLASSES = 6


class Conv(nn.Sequential):
    """Convolution, BatchNorm, SiLU. `[n, i, h, w]` to `[n, o, h / s, w / s]`."""

    def __init__(self, channels_in: int, channels_out: int, side: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, side, stride, side // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.SiLU(),
        )


class Bottleneck(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(Conv(channels, channels), Conv(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return x + y


class SplitStage(nn.Module):
    """C2f: one half passes by, the other goes through bottlenecks whose every answer is kept (Jocher, 2023)."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.enter = Conv(channels, channels, 1)
        self.bottlenecks = nn.ModuleList(Bottleneck(channels // 2) for _ in range(count))
        self.leave = Conv((2 + count) * (channels // 2), channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = list(self.enter(x).chunk(2, 1))
        for each in self.bottlenecks:
            kept.append(each(kept[-1]))
        left: torch.Tensor = self.leave(torch.cat(kept, 1))
        return left


class PartialStage(nn.Module):
    """CSP: two paths from the same input, one through bottlenecks, joined (Wang et al., 2020)."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        half = channels // 2
        self.through = nn.Sequential(Conv(channels, half, 1), *(Bottleneck(half) for _ in range(count)))
        self.beside = Conv(channels, half, 1)
        self.leave = Conv(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left: torch.Tensor = self.leave(torch.cat([self.through(x), self.beside(x)], 1))
        return left


class Pyramid(nn.Module):
    """SPPF: the same map at four scales, joined."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter, self.pool = Conv(channels, channels // 2, 1), nn.MaxPool2d(5, 1, 2)
        self.leave = Conv(2 * channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = [self.enter(x)]
        for _ in range(3):
            kept.append(self.pool(kept[-1]))
        left: torch.Tensor = self.leave(torch.cat(kept, 1))
        return left


def build() -> nn.Module:
    """`[n, 3, 64, 64]` to `[n, 6]` logits."""
    return nn.Sequential(
        *(Conv(3, 16, stride=2), Conv(16, 32, stride=2), SplitStage(32, 1)),
        *(Conv(32, 64, stride=2), SplitStage(64, 3)),
        *(Conv(64, 128, stride=2), PartialStage(128, 1), Pyramid(128)),
        *(Conv(128, 192, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(192, _CLASSES)),
    )
