"""The rows of the page's tables, network by network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.wire.units import Unit, format_quantity
from tests.bench.soon.nets import NETS
from tests.bench.soon.stages import STAGES
from tests.bench.soon.told import Parts, beside_s, compared, job, seconds

_TIMED = (
    ("0.1, first", "before-", ("first",)),
    ("first", "", ("first",)),
    ("second", "", ("second",)),
    ("dense", "", ("dense",)),
    ("dense and first, cold", "", ("cold-dense", "cold-first")),
)
_MADE = (("0.1, first", "before-", "first"), ("dense", "", "dense"), ("first", "", "first"), ("second", "", "second"))
Row = dict[str, Any]


def timed(known: Parts) -> Iterator[list[str]]:
    for net in NETS:
        for name, prefix, asked in _TIMED:
            rows = [row for each in asked if (row := job(known, prefix + net, each))]
            if len(rows) == len(asked):
                beside = [beside_s(row) for row in rows]
                total = "-" if None in beside else f"{sum(filter(None, beside)):.0f}"
                told = " + ".join(seconds(row) for row in rows)
                yield [net, name, told, total, *(f"{sum(row['stages'][each] for row in rows):.0f}" for each in STAGES)]


def made(known: Parts) -> Iterator[list[str]]:
    for net in NETS:
        for name, prefix, asked in _MADE:
            row = job(known, prefix + net, asked)
            if row:
                yield [net, name, _time(row.get("cap_s")), *_variant(row), row["detail"] or row["state"]]


def _variant(row: Row) -> list[str]:
    made = row["variant"] if row["state"] == "done" else None
    if made is None:
        return ["-"] * 5
    right = f"{made['accuracy']:.1%} ({made['accuracy_low']:.1%} to {made['accuracy_high']:.1%})"
    size = format_quantity(made["size_bytes"], Unit.BYTES)
    return [_time(made["latency_p95_s"]), _time(made["latency_p50_s"]), right, size, made["precision"]]


def refused(known: Parts) -> Iterator[list[str]]:
    for net in NETS:
        row = job(known, net, "refused")
        if row:
            would = "; ".join(row.get("would_do", ())) or f"({row['state']})"
            after = (known[net]["jobs"].get(each) for each in ("relaxed", "tighter"))
            yield [net, _time(row["cap_s"]), seconds(row), would, *map(_ended, after)]


def _ended(row: Row | None) -> str:
    if row is None or "seconds" not in row:
        return "-" if row is None else row["state"]
    right = f", {row['variant']['accuracy']:.1%} right" if row["state"] == "done" else ""
    return f"{row['state']} after {seconds(row)} s{right}"


def watched(known: Parts) -> Iterator[list[str]]:
    for net in NETS:
        row = job(known, net, "first")
        if row:
            bar, step = row["progress"], known[net].get("step_bytes")
            memory = [format_quantity(each, Unit.BYTES) if each else "-" for each in (row["peak_bytes"], step)]
            shown = [f"{bar['median']:.0%}", f"{bar['worst']:.0%}", f"{bar['within']:.0%}"]
            alone = bar["by_share"]
            yield [net, *memory, *shown, f"{alone['median']:.0%}, at worst {alone['worst']:.0%}"]


def equal(known: Parts) -> Iterator[list[str]]:
    for net, part in compared(known).items():
        for row in part["seeds"]:
            above = f"{row['above'] * 100:+.2f}" if "above" in row else "-"
            yield [net, str(row["seed"]), *_side(row["before"]), *_side(row.get("now")), above]


def _side(row: Row | None) -> list[str]:
    if row is None or "seconds" not in row:
        return ["-", "-", "-"]
    if "share" not in row:
        return ["-", row["state"], seconds(row)]
    return [f"{row['share']:.1%}", f"{row['right']:.2%}", seconds(row)]


def _time(value_s: float | None) -> str:
    return "-" if value_s is None else format_quantity(value_s, Unit.SECONDS)
