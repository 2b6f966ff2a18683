"""What is aimed for, and whether it was reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.soon.honesty import ALLOWED
from tests.bench.soon.nets import NETS, Net
from tests.bench.soon.pooled import above, pooled
from tests.bench.soon.told import Parts, asked_for_s, beside_s, compared, holds, job, seconds

_PARTS = {"first": 1.0, "second": 0.5}
"""How much of the seconds that are aimed for each prune of a network may take."""

_MEMORY_TIMES, _BELOW = 2.0, 0.005
Row = dict[str, Any]


def targets(known: Parts) -> list[Row]:
    """One row a target of which something has been measured."""
    return [
        *(
            _beside(net, row, which, part)
            for which, part in _PARTS.items()
            for net in NETS.values()
            if net.first_s and (row := job(known, net.name, which))
        ),
        *_all_of(known, "what a refusal names holds", "relaxed", holds),
        *_all_of(known, "0.9 of it is refused", "tighter", lambda row: row["state"] == "infeasible"),
        *_over_all(known, "peak memory, of that of a step of training", _MEMORY_TIMES, _memory),
        *_over_all(known, "time left off by, from a third on", ALLOWED, _off),
        *_equal(compared(known)),
    ]


def _beside(net: Net, row: Row, which: str, part: float) -> Row:
    """Seconds beside the recovery that the owner asked for."""
    assert net.first_s is not None
    beside, limit_s = beside_s(row), net.first_s * part
    told = f"no variant after {seconds(row)} s"
    if beside is not None:
        told = f"{beside:.0f} s, and {asked_for_s(row):.0f} s of recovery"
    name = f"{net.name}: {which} variant beside its recovery"
    return _target(name, f"at most {limit_s:.0f} s", told, beside is not None and beside <= limit_s)


def _memory(known: Parts, net: str) -> float | None:
    row, step = job(known, net, "first"), known.get(net, {}).get("step_bytes")
    return row["peak_bytes"] / step if row and step else None


def _off(known: Parts, net: str) -> float | None:
    row = job(known, net, "first")
    return float(row["progress"]["worst"]) if row else None


def _equal(parts: Parts) -> Iterator[Row]:
    """Of the networks whose seeds have all been measured."""
    ended = {net: part for net, part in parts.items() if part["ended"]}
    if ended:
        found = {net: above(part) for net, part in ended.items()}
        mean = pooled(list(found.values()))
        each = ", ".join(f"{net} {_points(one.mean)}" for net, one in found.items())
        told = f"{_points(mean.mean)} points, at most {_points(mean.limit)}: {each}; in {_times(ended)} of the time"
        name = "quick variant below the full search at equal latency"
        yield _target(name, f"at most {_BELOW * 100:.1f} points (upper one-sided 95 %)", told, mean.limit <= _BELOW)


def _points(share: float) -> str:
    return f"{share * 100:.2f}"


def _times(parts: Parts) -> str:
    """Of the latency of 0.1's variants."""
    rows = [row for part in parts.values() for row in part["seeds"] if "above" in row]
    times = [row["now"]["share"] / row["before"]["share"] for row in rows]
    return f"{min(times):.0%} to {max(times):.0%}" if times else "none"


def _over_all(known: Parts, name: str, most: float, of: Callable[[Parts, str], float | None]) -> Iterator[Row]:
    """The worst network counts."""
    found = {net: share for net in NETS if (share := of(known, net)) is not None}
    if found:
        told = ", ".join(
            f"{net} {share:.0%}" if math.isfinite(share) else f"{net}: none" for net, share in found.items()
        )
        yield _target(name, f"at most {most:.0%}", told, max(found.values()) <= most)


def _all_of(known: Parts, name: str, asked: str, reached: Callable[[Row], bool]) -> Iterator[Row]:
    found = {net: reached(row) for net in NETS if (row := job(known, net, asked))}
    if found:
        missed = "".join(f"; not {net}" for net, each in found.items() if not each)
        yield _target(name, "all", f"{sum(found.values())} of {len(found)}{missed}", all(found.values()))


def _target(name: str, target: str, measured: str, reached: bool) -> Row:
    return {"name": name, "target": target, "measured": measured, "reached": bool(reached)}
