"""What may happen to an input without changing its label: recipes name one of these, with its amounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention


class Augment(Protocol):
    """A batch to another of the same shape. Its repr tells all amounts: weights are kept by what made them."""

    def __call__(self, batch: torch.Tensor, dice: torch.Generator) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True)
class WornElsewhere:
    """Another watch, worn a little differently: each channel of `[n, c, t]` scaled and shifted, and noise on top.

    All three are standard deviations.
    """

    gain: float
    shift: float
    noise: float

    def __call__(self, batch: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
        per_channel = (*batch.shape[:2], 1)
        gain = 1 + self.gain * torch.randn(per_channel, generator=dice)
        shift = self.shift * torch.randn(per_channel, generator=dice)
        return batch * gain + shift + self.noise * torch.randn(batch.shape, generator=dice)


@dataclass(frozen=True, slots=True)
class FlippedAndMoved:
    """Images `[n, c, h, w]`: every second one mirrored, and the batch moved by up to `pixels` over `background`."""

    pixels: int
    background: float

    def __call__(self, batch: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
        mirrored = torch.rand((len(batch), 1, 1, 1), generator=dice) < 0.5
        flipped = torch.where(mirrored, batch.flip(3), batch)
        top, left = torch.randint(0, 2 * self.pixels + 1, (2,), generator=dice).tolist()
        height, width = batch.shape[2:]
        framed = F.pad(flipped, (self.pixels,) * 4, value=self.background)
        return framed[:, :, top : top + height, left : left + width]
