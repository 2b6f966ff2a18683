"""Which samples come next, in an order that can be left and taken up again."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass
class Batches:
    """Shuffled full batches of numbers below `count`, anew for each epoch; of fewer samples than one batch, all.

    A last smaller one would bend the BatchNorm statistics. `order` is that of this epoch, `at` how far it is used.
    """

    count: int
    batch: int
    dice: torch.Generator
    order: torch.Tensor
    at: int = 0

    @staticmethod
    def shuffled(count: int, batch: int, dice: torch.Generator) -> Batches:
        return Batches(count, batch, dice, torch.randperm(count, generator=dice))

    @property
    def an_epoch(self) -> int:
        return max(1, self.count // self.batch)

    def next(self) -> torch.Tensor:
        size = min(self.batch, self.count)
        if self.at + size > self.count:
            self.order, self.at = torch.randperm(self.count, generator=self.dice), 0
        self.at += size
        return self.order[self.at - size : self.at]
