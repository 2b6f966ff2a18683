"""What was measured against what was asked, and how far a long step has come, in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.wire.units import Unit, format_quantity
from controller.core.costs import Costs
from controller.core.types import Caps, Constraint

_SAY_EVERY_S = 1.0
_SAID = {
    Constraint.RAM_MODEL: ("model RAM", Unit.BYTES),
    Constraint.STORAGE: ("storage", Unit.BYTES),
    Constraint.DEADLINE: ("p95 latency", Unit.SECONDS),
}


def against(costs: Costs, caps: Caps) -> str:
    """Each set cap with its cost."""
    said = ((*_SAID[each.binding], each) for each in costs.uses(caps))
    return ", ".join(
        f"{name} {format_quantity(each.cost, unit)} of {format_quantity(each.cap, unit)}" for name, unit, each in said
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
