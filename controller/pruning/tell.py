"""What was measured against what was asked, in words."""

from __future__ import annotations

from collections.abc import Sequence

from agent.wire.units import Unit, format_quantity
from controller.core.types import Caps
from controller.pruning.cost.predict import Costs


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
