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


def predicted(row: Row, key: str) -> str:
    """A prediction from kernel tables and live tensors as a share of what was then measured; "-" where there is none.

    `key` is that of the lineage's `predicted`, in SI units, of a latency or of bytes.
    """
    measured = row["latency_p95_ms"] / 1e3 if key.endswith("_s") else row[key]
    said = row["lineage"].get("predicted", {}).get(key)
    return "-" if said is None or not measured else format_quantity(said / measured, Unit.SHARE)


def took(row: Row) -> str:
    """How long its job took until it was judged, and where most of that went; "-" where that was not written down."""
    seconds: dict[str, float] = row["lineage"].get("seconds", {})
    if not sum(seconds.values()):
        return "-"
    longest, total = max(seconds, key=lambda step: seconds[step]), sum(seconds.values())
    return f"{total:.0f} s, {seconds[longest] / total:.0%} {longest}"


def instead(plan: Row) -> str | None:
    """What the other preference would run, and what that would cost; None where it is the same variant."""
    other = next((each for each in plan["choices"] if each["sha256"] != plan["sha256"]), None)
    if other is None or not plan["feasible"] or plan["sha256"] is None:
        return None
    costs = [
        format_quantity(other["predicted_latency_p95_ms"] * 1e-3, Unit.SECONDS),
        format_quantity(other["size_bytes"], Unit.BYTES),
        *_joules(other["energy_above_idle_joules"]),
        *_battery(other["battery_life_s"]),
    ]
    below = "" if not other["points_below"] else f", at most {other['points_below'] * 100:.1f} points less right"
    return f"{other['prefer']} would run {other['variant']}: {accuracy(other)}{below}, {', '.join(costs)}"


def _battery(life_s: float | None) -> list[str]:
    return [] if life_s is None else [f"{format_quantity(life_s, Unit.SECONDS)} of battery"]


def _joules(energy: float | None) -> list[str]:
    return [] if energy is None else [f"{format_quantity(energy, Unit.JOULES)} above idling"]


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low * 100:.1f} to {high * 100:.1f})"
