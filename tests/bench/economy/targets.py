"""What is aimed for, and whether it was reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from controller.core.paired import Paired

MOST_ARTIFACTS, MOST_REGRET = 24, 0.003
Row = dict[str, Any]


def targets(known: Mapping[str, Row]) -> list[Row]:
    """One row a target whose part has been measured."""
    rows = list[Row]()
    if "now" in known:
        count, fits = len(known["now"]["artifacts"]), unserved(known["now"])
        rows.append(_target("artifacts", f"at most {MOST_ARTIFACTS}", f"{count}", count <= MOST_ARTIFACTS))
        rows.append(_target("feasible devices with something that fits", "all", f"{fits} without", fits == 0))
    if "bespoke" in known:
        regrets = [each["regret"] for each in known["bespoke"]["rows"] if "regret" in each]
        mean, half = interval(regrets)
        told = f"{mean * 100:.2f} ± {half * 100:.2f} points ({len(regrets)} devices)"
        allowed = f"at most {MOST_REGRET * 100:.1f} points"
        rows.append(_target("mean regret against bespoke prunes", allowed, told, mean <= MOST_REGRET))
    return rows


def unserved(played: Row) -> int:
    """Devices whose caps some artifact is inside, and which have none; told from measured costs alone."""
    costs = [(each["ram_bytes"], each["storage_bytes"], each["latency_s"]) for each in played["artifacts"]]
    return sum(
        each["sha256"] is None
        and any(
            ram <= each["ram_bytes"] and size <= each["storage_bytes"] and time_s <= each["latency_s"]
            for ram, size, time_s in costs
        )
        for each in played["devices"]
    )


def interval(values: list[float]) -> tuple[float, float]:
    """The mean, and half of its 95 % interval by the normal approximation."""
    if len(values) < 2:
        return (values[0] if values else math.nan), math.nan
    return float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def skipped_wrongly(part: Row) -> int:
    """Of the sampled devices whose prune was skipped, those for which it is shown to have been better."""
    rows = [each for each in part["rows"] if "regret" in each]
    return sum(Paired(part["samples"], lost=each["lost"], won=each["won"]).worse(0.05) for each in rows)


def _target(name: str, target: str, measured: str, reached: bool) -> Row:
    return {"name": name, "target": target, "measured": measured, "reached": bool(reached)}
