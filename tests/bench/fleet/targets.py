"""What is aimed for, and whether it was reached. What was tried and did not get there was not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.fleet.cases import POSTGRES
from tests.bench.fleet.told import Parts, case, cuts, sizes

_LINEAR, _SAME, _SCRIPT_BATCH, _SCRIPT_EACH = 1.25, 1.2, 2.0, 0.8
_BATCH_HZ, _POSTGRES_HZ = 30_000.0, 20_000.0
_PLAN_S, _WAIT_S = 20.0, 0.1
_BULK_S = 60.0
_FIRST_S, _PLACED_S, _LAST_S = 1.0, 60.0, 180.0
_BYTES, _START_S = 1e9, 30.0
_ORDINARY_S, _BACK_S, _PAGE_S, _SLOWED = 5.0, 60.0, 0.1, 0.9
_EACH, _ALL = 10_000, 100_000
Row = dict[str, Any]


def targets(known: Parts) -> list[Row]:
    """One row a target of which something has been measured."""
    return [
        *_accept(known),
        *_bulk(known, "accept-bulk", "one request, no rollout matches"),
        *_bulk(known, "accept-bulk-joining", "one request, all join a rollout"),
        *_ingest(known),
        *_at_most(known, "plan", "the whole answer", "seconds", _PLAN_S, _seconds),
        *_at_most(known, "plan", "longest wait of telemetry meanwhile", "wait_s", _WAIT_S, _seconds),
        *_at_most(known, "rollout", "first assignment", "first_s", _FIRST_S, _seconds),
        *_at_most(known, "rollout", "all placed and committed", "placed_s", _PLACED_S, _seconds),
        *_at_most(known, "rollout", "the last device has its own", "last_s", _LAST_S, _seconds),
        *_turn(known, "p50", "p50_s"),
        *_turn(known, "p99.9", "p999_s"),
        *_at_most(known, "memory", "most that is held", "peak_bytes", _BYTES, _megabytes),
        *_at_most(known, "memory", "start", "start_s", _START_S, _seconds),
        *_ordinary(known),
        *_reconnect(known),
        *_month(known),
    ]


def _accept(known: Parts) -> Iterator[Row]:
    found = {size: row["seconds"] / row["accepted"] for size, row in sizes(known, "accept-each").items()}
    if "accept-each" in known:
        told = [f"{size:,}: {each_s * size:.0f} s" for size, each_s in found.items()] + cuts(known, "accept-each")
        reached = _EACH in found and found[_EACH] <= _LINEAR * found[min(found)]
        name = f"accept-each: a device of {_EACH:,} beside one of 1,000"
        yield _target(name, f"at most {_LINEAR:g} times as long", "; ".join(told), reached)


def _bulk(known: Parts, part: str, name: str) -> Iterator[Row]:
    yield from _at_most(known, part, name, "seconds", _BULK_S, _seconds)
    found = {size: row["seconds"] / row["accepted"] for size, row in sizes(known, part).items()}
    if part in known:
        told = [f"{size:,}: {each_s * 1e6:.0f} us" for size, each_s in found.items()] + cuts(known, part)
        reached = _ALL in found and found[_ALL] <= _LINEAR * found[min(found)]
        yield _target(f"{part}: a device of {_ALL:,} beside one of 1,000", f"at most {_LINEAR:g} times as long",
                      "; ".join(told), reached)  # fmt: skip


def _turn(known: Parts, name: str, key: str) -> Iterator[Row]:
    found = {size: row[key] for size, row in sizes(known, "turn").items()}
    if "turn" in known:
        told = [f"{size:,}: {each_s * 1e3:.2f} ms" for size, each_s in found.items()] + cuts(known, "turn")
        reached = _ALL in found and found[_ALL] <= _SAME * found[min(found)]
        yield _target(f"turn: {name} at {_ALL:,} beside 1,000", f"at most {_SAME:g} times", "; ".join(told), reached)


def _ingest(known: Parts) -> Iterator[Row]:
    for part, times in (("ingest-batch", _SCRIPT_BATCH), ("ingest-each", _SCRIPT_EACH)):
        ours, script = _hz(known, part, "controller"), _hz(known, part, "script")
        if ours is not None and part == "ingest-batch":
            yield _at_least(f"{part}: windows a second", _BATCH_HZ, ours)
        if ours is not None and script is not None:
            told = f"{ours / script:.2f} times: {ours:,.0f}/s and {script:,.0f}/s"
            yield _target(f"{part}: beside the script", f"at least {times:g} times", told, ours >= times * script)
    ours = _hz(known, f"{POSTGRES}ingest-batch", "controller")
    if ours is not None:
        yield _at_least("ingest-batch on PostgreSQL: windows a second", _POSTGRES_HZ, ours)


def _ordinary(known: Parts) -> Iterator[Row]:
    if (row := case(known, "ordinary", str(_ALL))) is not None:
        told = f"{_seconds(row['wait']['p99_s'])} at {row['windows_hz']:,.0f} windows/s, {row['left']:,} left"
        reached = row["wait"]["p99_s"] <= _ORDINARY_S and not row["missing"] and not row["left"]
        yield _target(f"ordinary: p99 of the wait at {_ALL:,}", f"at most {_seconds(_ORDINARY_S)}", told, reached)


def _reconnect(known: Parts) -> Iterator[Row]:
    """What was acknowledged and is no row is lost; that nobody's assignment is, is what the time is counted to."""
    for name in known.get("reconnect", {}).get("cases", {}):
        row = case(known, "reconnect", name)
        later_s = None if row is None else max(row["kept_s"], row["succeeded_s"])
        told = known["reconnect"]["cases"][name]["cut"] if row is None else ""
        told = told or f"{_seconds(later_s or 0.0)}, {row['missing'] if row else 0:,} windows lost"
        reached = row is not None and later_s is not None and later_s <= _BACK_S and not row["missing"]
        yield _target(f"reconnect: all is well again after {name}", f"at most {_seconds(_BACK_S)}", told, reached)


def _month(known: Parts) -> Iterator[Row]:
    for row in sizes(known, "month").values():
        page_s, hz = row["page"]["p99_s"], [row[f"{each}_hz"] / row["without_hz"] for each in ("beside", "going")]
        yield _target("month: a device's page, p99", f"at most {_PAGE_S * 1e3:.0f} ms", f"{page_s * 1e3:.0f} ms",
                      page_s <= _PAGE_S)  # fmt: skip
        told = f"{hz[0]:.2f} beside it, {hz[1]:.2f} while the old goes"
        yield _target("month: ingest, of that without", f"at least {_SLOWED:g}", told,
                      min(hz) >= _SLOWED and not row["missing"])  # fmt: skip


def _hz(known: Parts, part: str, name: str) -> float | None:
    """None also where an acknowledged window is no row: that is no ingest."""
    row = case(known, part, name)
    return None if row is None else 0.0 if row.get("missing") else float(row["windows_hz"])


def _at_most(known: Parts, part: str, name: str, key: str, most: float, tell: Callable[[float], str]) -> Iterator[Row]:
    if part in known:
        found = {size: row[key] for size, row in sizes(known, part).items()}
        told = [f"{size:,}: {tell(value)}" for size, value in found.items()] + cuts(known, part)
        reached = _ALL in found and found[_ALL] <= most
        yield _target(f"{part}: {name} at {_ALL:,}", f"at most {tell(most)}", "; ".join(told), reached)


def _at_least(name: str, least_hz: float, measured_hz: float) -> Row:
    return _target(name, f"at least {least_hz:,.0f}", f"{measured_hz:,.0f}", measured_hz >= least_hz)


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.0f} MB"


def _target(name: str, target: str, measured: str, reached: bool) -> Row:
    return {"name": name, "target": target, "measured": measured, "reached": bool(reached)}
