"""What the rows of a part say, as figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.soon.nets import COMPARED

EQUAL = "equal-"
Row = dict[str, Any]
Parts = Mapping[str, Row]


def job(known: Parts, part: str, name: str) -> Row | None:
    """The row of a job that was asked for; None where there is none."""
    row: Row | None = known.get(part, {}).get("jobs", {}).get(name)
    return row if row is not None and "seconds" in row else None


def compared(known: Parts) -> dict[str, Row]:
    """By network, what was measured of today's prune at the latency of 0.1's."""
    return {net: row for net in COMPARED if "seeds" in (row := known.get(EQUAL + net, {}))}


def asked_for_s(row: Row) -> float:
    """What the recovery that the owner asked for took. CPU time counts both threads, so never more than its stage."""
    cpu_s = float((row["variant"] or {}).get("recovery_cpu_s", 0.0))
    return min(cpu_s, float(row["stages"]["recovery"]))


def beside_s(row: Row) -> float | None:
    """All else; None where there is no variant."""
    return float(row["seconds"]) - asked_for_s(row) if row["state"] == "done" else None


def seconds(row: Row) -> str:
    return f"{row['seconds']:.0f}" if row["ended"] else f"more than {row['seconds']:.0f}"


def holds(row: Row) -> bool:
    """There is a variant, and it is inside what was asked for."""
    return bool(row["state"] == "done" and row["variant"]["latency_p95_s"] <= row["cap_s"])
