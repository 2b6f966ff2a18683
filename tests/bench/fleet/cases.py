"""What each part measures, in which order. Every figure may be set for a smaller try.

`HEDGEROW_BENCH_SIZES=100,200` are the devices, `HEDGEROW_BENCH_SECONDS` how long telemetry is measured,
`HEDGEROW_BENCH_ROWS` how many rows are there before, `HEDGEROW_BENCH_TURNS` how many turns are timed.
"""

from __future__ import annotations

import os
from typing import Any

Row = dict[str, Any]
SIZES = tuple(map(int, os.environ.get("HEDGEROW_BENCH_SIZES", "1000,10000,100000").split(",")))
SECONDS = float(os.environ.get("HEDGEROW_BENCH_SECONDS", "120"))
ROWS = int(os.environ.get("HEDGEROW_BENCH_ROWS", "5000000"))
TURNS = int(os.environ.get("HEDGEROW_BENCH_TURNS", "10000"))

BEFORE, POSTGRES = "before-", "postgres-"
_BATCHES = {"ingest-batch": 10, "ingest-each": 1}
_ORDINARY_S, _MONTH_S = 600.0, 30.0
_AWAY_S = {"5 s": 5.0, "5 min": 300.0}
_LONG = ("ordinary", "month")
_BUDGET_S, _LONG_S = 510.0, 1110.0  # and less than a minute more
_ACCEPT = ("accept-bulk", "accept-bulk-joining", "accept-each")
_NOW = (
    *_ACCEPT,
    "ingest-batch",
    "ingest-each",
    "ordinary",
    "plan",
    "rollout",
    "turn",
    "memory",
    "reconnect",
    "month",
)
PARTS = (*_NOW, f"{BEFORE}accept-each", f"{BEFORE}ingest-each", *(f"{POSTGRES}{part}" for part in _NOW))


def cases(part: str) -> dict[str, Row]:
    """By name. With the code before and on PostgreSQL, script and broker alone are as they are without."""
    plain = part.removeprefix(BEFORE).removeprefix(POSTGRES)
    if plain in _BATCHES:
        telemetry: Row = {"devices": SIZES[0], "batch": _BATCHES[plain], "rows": ROWS, "seconds": SECONDS}
        found = {what: telemetry | {"what": what} for what in ("controller", "script", "broker")}
        found = found if plain == part else {"controller": found["controller"]}
    elif plain == "reconnect":
        found = {name: {"what": plain, "devices": SIZES[1], "away_s": away_s} for name, away_s in _AWAY_S.items()}
    else:
        found = {str(size): {"devices": size, **_of(plain)} for size in _sizes(part)}
    return {name: case | {"postgres": part.startswith(POSTGRES)} for name, case in found.items()}


def budget_s(part: str) -> float:
    """A part stays under ten minutes, and the next run goes on; what takes so long by itself, under twenty."""
    return _LONG_S if part.removeprefix(POSTGRES) in _LONG else _BUDGET_S


def _sizes(part: str) -> tuple[int, ...]:
    if part.startswith(BEFORE):
        return SIZES[:1]
    of = {"accept-each": SIZES[:2], "ordinary": SIZES[2:], "month": SIZES[:1]}
    return of.get(part.removeprefix(POSTGRES), SIZES)


def _of(plain: str) -> Row:
    match plain:
        case "accept-each":
            return {"what": "accept"}
        case "accept-bulk":
            return {"what": plain, "selector": "site=nowhere"}
        case "accept-bulk-joining":
            return {"what": "accept-bulk", "selector": ""}
        case "turn":
            return {"what": "turn", "turns": TURNS}
        case "ordinary":
            return {"what": plain, "seconds": min(5 * SECONDS, _ORDINARY_S)}
        case "month":
            return {"what": plain, "seconds": min(SECONDS, _MONTH_S)}
        case "memory":
            return {"what": "memory", "seconds": min(SECONDS, 30.0)}
        case _:
            return {"what": plain}
