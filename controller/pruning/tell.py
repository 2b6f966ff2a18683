"""What was measured against what was asked, and how far a long step has come, in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.wire.units import Unit, format_quantity
from controller.core.types import Caps
from controller.pruning.cost.predict import Costs

_SAY_EVERY_S = 1.0


def against(costs: Costs, caps: Caps) -> str:
    """Each set cap with its cost."""
    pairs = (
        ("model RAM", costs.ram_bytes, caps.ram_bytes, Unit.BYTES),
        ("storage", costs.storage_bytes, caps.storage_bytes, Unit.BYTES),
        ("p95 latency", costs.latency_s, caps.latency_s, Unit.SECONDS),
    )
    set_pairs = [(name, cost, cap, unit) for name, cost, cap, unit in pairs if cap is not None]
    return ", ".join(
        f"{name} {format_quantity(cost, unit)} of {format_quantity(cap, unit)}" for name, cost, cap, unit in set_pairs
    )


def told(reasons: Sequence[str]) -> str:
    """The reasons in order, each once."""
    return "; ".join(dict.fromkeys(reasons))


@dataclass
class Countdown:
    """Says how much of a step is done and, at the pace so far, how long the rest takes: once a second, or less often.

    `say` gets the share that is done of the step, and the text. A share of 0 begins anew.
    """

    say: Callable[[float, str], None]
    text: str
    clock: Callable[[], float] = time.monotonic
    _began: tuple[float, float] | None = field(default=None, init=False)  # when, and what was done by then
    _said_s: float = field(default=-math.inf, init=False)

    def __call__(self, share: float) -> None:
        now_s = self.clock()
        if self._began is None or share == 0.0:
            self._began = now_s, share
        if now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            self.say(share, self.text + _left(share, *self._began, now_s))


def _left(share: float, began_s: float, before: float, now_s: float) -> str:
    """Nothing as long as there is no pace."""
    if share <= before:
        return ""
    return f": {share:.0%} done, about {(now_s - began_s) * (1 - share) / (share - before):.0f} s left"
