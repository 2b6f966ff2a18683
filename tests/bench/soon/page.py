"""The page of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.bench.markdown import table, targets_table
from tests.bench.soon.beside import INFERENCES, PROCESSES
from tests.bench.soon.jobs import ABOVE_SMALLEST, FIRST, SECOND, TIGHTER
from tests.bench.soon.nets import NETS
from tests.bench.soon.rows import equal, made, refused, timed, watched
from tests.bench.soon.stages import STAGES
from tests.bench.soon.told import Parts, compared

_HOW = f"""\
Each network is brought as a user does: factory, weights, data, and a spec that asks for one epoch of recovery and has
no floor. Each job is a process of its own with two threads, on a copy of the shelf that the job before it left; kernel
times are known, but for the row *cold*, whose jobs come first. *First* may take {FIRST:.0%} of the dense model's p95
latency, *second* {SECOND:.0%}, or {ABOVE_SMALLEST} times what the refusal below names where that is more. Seconds are
from asking for a job until its end, told apart by the words of its progress: what a stage does before it says so counts
for the one before. *Recovery asked for* is the CPU time in the variant's lineage, at most the seconds of that stage.
The networks:
"""
_WATCHED = """\
Of the first prune: the most that its processes held, beside one that loads model and data and trains for one step; and
how far the time left was off that it told, looked at once a second from a third of the way on. That is what its words
say, and where they say nothing what the bar lets expect; in the last column by the bar alone.
"""
_EQUAL = f"""\
Release 0.1, which trains briefly for each cut, prunes to {FIRST:.0%} of its dense model's p95. The p50 of its variant,
as a share of the dense one's, is then the share of the dense p95 that today's prune with the same seed may take: so
today's variant is at most as slow. Latency is CPU time, as a share of the p50 of today's dense artifact: both variants
by turns with it in {PROCESSES} processes of {INFERENCES} inferences, the middle of the processes. Both answer
the same 6,000 drawn samples, the gate among them, by which nothing is chosen. In the mean of the differences each
network counts as much; its variance is that of the samples, each one's mean over the seeds taken, and that between the
seeds.
"""
Row = dict[str, Any]


def page(results: Row, known: Parts) -> str:
    return "\n".join(_lines(results, known)).rstrip() + "\n"


def _lines(results: Row, known: Parts) -> Iterator[str]:
    host = results["host"]
    yield "# How soon the first variant is there"
    yield ""
    yield f"Written by `{results['repeat']}` on {results['date']}: {host['cores']} cores, {host['machine']}, Python"
    yield f'{host["python"]}. One network: `make bench BENCH="soon detector"`; release 0.1 beside it:'
    yield '`make bench BENCH="soon before-detector"`; both at one latency: `make bench BENCH="soon equal-detector"`.'
    yield ""
    yield from targets_table(results["targets"])
    yield _HOW
    yield from (f"- `{net.name}`: {net.told}" for net in NETS.values())
    yield ""
    yield from (f"Left out: {name}: {row['left_out']}.\n" for name, row in known.items() if "left_out" in row)
    yield from _sections(known)


def _sections(known: Parts) -> Iterator[str]:
    yield "## Seconds by stage"
    yield ""
    heads = ("network", "job", "seconds", "beside the recovery asked for", *STAGES)
    yield from table(heads, timed(known))
    yield "## What came out"
    yield ""
    heads = ("network", "job", "cap", "p95", "p50", "right, with 95 % interval", "bytes", "precision", "how it ended")
    yield from table(heads, made(known))
    yield "## Caps that no variant keeps"
    yield ""
    yield "Asked for where nothing but the dense model was made; then what the refusal names, and 0.9 of that."
    yield ""
    heads = ("network", "cap", "seconds until told", "would do", "asked for", f"{TIGHTER} of it asked for")
    yield from table(heads, refused(known))
    yield "## Memory and progress"
    yield ""
    yield _WATCHED
    heads = ("network", "peak", "a step's", "median off by", "at worst", "within 50 %", "by the bar alone, median")
    yield from table(heads, watched(known))
    yield from _equal(known)


def _equal(known: Parts) -> Iterator[str]:
    if compared(known):
        yield "## At the same latency"
        yield ""
        yield _EQUAL
        sides = (f"{side}: {what}" for side in ("0.1", "now") for what in ("latency", "right", "seconds"))
        yield from table(("network", "seed", *sides, "0.1 above now, points"), equal(known))
