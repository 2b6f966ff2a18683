"""Which jobs are asked for of a network, each on a copy of the shelf that another one left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FIRST, SECOND, ABOVE_SMALLEST, TIGHTER = 0.7, 0.55, 1.1, 0.9
REFUSED = "refused"
_SEEDS = (1, 2, 3)
Row = dict[str, Any]
Rows = Mapping[str, Row]
_Cap = Callable[[Rows, float], float | None]


@dataclass(frozen=True, slots=True)
class Job:
    """`after` names the job whose shelf it finds; without one that is empty. `cap_s` tells its cap on latency from the
    rows so far and the share of the dense model's that the play was given; without one it is the dense model that is
    asked for. Without a `seed` it is the network's."""

    after: str | None = None
    cap_s: _Cap | None = None
    seed: int | None = None


def _of_dense(name: str, share: float) -> _Cap:
    return lambda rows, _share: _scaled(_dense_s(rows, name), share)


def _named(share: float) -> _Cap:
    """Of the latency that the refusal says would do."""
    return lambda rows, _share: _scaled(rows[REFUSED].get("named_s"), share)


def _given(rows: Rows, share: float) -> float | None:
    return _scaled(_dense_s(rows, "dense"), share)


def _second(rows: Rows, _share: float) -> float | None:
    """Where the smallest structure takes nearly as much, a little above that."""
    dense_s, smallest_s = _dense_s(rows, "dense"), rows[REFUSED].get("named_s")
    return None if dense_s is None else max(dense_s * SECOND, (smallest_s or 0.0) * ABOVE_SMALLEST)


SEEDED = {f"seed-{seed}": Job("dense", _given, seed) for seed in _SEEDS}  # today's beside those of release 0.1
JOBS = {
    "cold-dense": Job(),
    "cold-first": Job("cold-dense", _of_dense("cold-dense", FIRST)),
    "dense": Job(),
    "first": Job("dense", _of_dense("dense", FIRST)),
    REFUSED: Job("dense", _given),
    "relaxed": Job(REFUSED, _named(1.0)),
    "tighter": Job("relaxed", _named(TIGHTER)),
    "second": Job("first", _second),
} | SEEDED
NOW = tuple(name for name in JOBS if name not in SEEDED)
COLD = ("cold-dense", "cold-first")  # with no kernel times; they leave them to the others
BEFORE = ("dense", "first")


def chain(name: str) -> Iterator[str]:
    """The jobs that the shelf of this one comes from, the nearest first."""
    after = JOBS[name].after
    while after is not None:
        yield after
        after = JOBS[after].after


def _dense_s(rows: Rows, name: str) -> float | None:
    variant = rows[name].get("variant")
    return None if variant is None else float(variant["latency_p95_s"])


def _scaled(value: float | None, share: float) -> float | None:
    return None if value is None else value * share
