"""What was measured against what was asked, in words."""

from __future__ import annotations

from collections.abc import Sequence

from agent.wire.units import Unit, format_quantity
from controller.core.costs import Costs
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint

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
