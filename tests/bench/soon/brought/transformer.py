"""A vision transformer (Dosovitskiy et al., 2021) of some 1,800,000 parameters, with convolutions at its entrance.

These (Xiao et al., 2021) let it learn from a few thousand images.
"""

from __future__ import annotations

import torch
from torch import nn

_CLASSES, _WIDTH, _HEADS, _HIDDEN, _LAYERS, _TOKENS = 6, 192, 6, 768, 4, 64


def _halving(channels_in: int, channels_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, 2, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


class Transformer(nn.Module):
    """`[n, 3, 64, 64]` to `[n, 6]` logits: 64 tokens of 8 x 8 pixels, whose mean is read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_halving(3, 24), _halving(24, 48), _halving(48, 96), nn.Conv2d(96, _WIDTH, 1))
        self.places = nn.Parameter(torch.randn(1, _TOKENS, _WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            _WIDTH, _HEADS, _HIDDEN, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, _LAYERS, nn.LayerNorm(_WIDTH), enable_nested_tensor=False)
        self.head = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2) + self.places
        logits: torch.Tensor = self.head(self.encoder(tokens).mean(1))
        return logits


def build() -> nn.Module:
    return Transformer()
