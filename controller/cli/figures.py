"""Figures that say how sure they are."""

from __future__ import annotations

from agent.wire.units import Unit, format_quantity
from controller.client import Row


def accuracy(row: Row) -> str:
    """As in `94.2 % (92.9 to 95.3)`: with its 95% interval."""
    if row["accuracy"] is None:
        return "unverified"
    share = format_quantity(row["accuracy"], Unit.SHARE)
    return share + _interval(row["accuracy_low"], row["accuracy_high"])


def drop(row: Row) -> str:
    """Points of accuracy lost against the dense model on the same data, with the paired 95% interval."""
    if row["drop"] is None:
        return "-"
    return f"{row['drop'] * 100:.1f}" + _interval(row["drop_low"], row["drop_high"])


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low * 100:.1f} to {high * 100:.1f})"
