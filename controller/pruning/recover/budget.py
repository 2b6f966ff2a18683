"""How far a recovery has come in its budget of epochs or CPU time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from controller.core.nouns.model import Recovery


@dataclass(frozen=True, slots=True)
class Clock:
    """A running budget. Epochs repeat the same on the same machine; CPU time ends where the host's speed lets it."""

    budget: Recovery
    began_cpu_s: float

    @staticmethod
    def start(budget: Recovery, used_cpu_s: float = 0.0) -> Clock:
        """What was used already is that of a process which did not come to its end."""
        return Clock(budget, time.process_time() - used_cpu_s)

    def used(self, epochs: float) -> float:
        """The share of the budget that `epochs` epochs have taken, at most 1."""
        if self.budget.epochs is not None:
            return min(1.0, epochs / self.budget.epochs) if self.budget.epochs else 1.0
        assert self.budget.cpu_s is not None
        return min(1.0, self.cpu_s / self.budget.cpu_s) if self.budget.cpu_s else 1.0

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self.began_cpu_s
