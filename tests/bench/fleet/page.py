"""The page of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.bench.fleet.cases import BEFORE, POSTGRES
from tests.bench.fleet.sentences import sentence
from tests.bench.fleet.told import Parts, case
from tests.bench.markdown import table, targets_table

_HOW = """\
A controller as `controller serve` starts it, a broker, and one process that is all devices: real processes on loopback
that share the cores. Devices run what they are told to at once, and send their next telemetry when the last is
acknowledged. `before-` is the code before the fleet was kept in memory, `postgres-` today's on PostgreSQL.
"""
_INGEST = """\
A window counts when its acknowledgement has come back; afterwards every acknowledged one is looked for in the table.
The controller has a rollout of all devices running. *Script* is `tests/bench/fleet/script.py`: paho, msgspec, the
controller's table, one commit with `synchronous=FULL` for all that has come in, PUBACK and acknowledgement after it.
*Broker* is a subscriber that keeps nothing. *Cores*: of the server, the broker and the devices.
"""
_OTHERS = """\
*Accept-each*: one client, one request after the other, no rollout. *Accept-bulk*: one request for all, while a rollout
runs that matches none of them; *accept-bulk-joining*: while one of one wave runs that all of them join, until all are
accepted, and until all are placed. *Plan*: one request for 24 variants, 500 profiles and a calibration of its own for
each device, from its leaving until all rows are read. *Rollout*: one wave, from the request until the first device has
its assignment, all placements are committed, the last device has its assignment. *Ordinary*: each device closes a
window in 30 s, however far behind anybody is; the wait is from then until it knows that the window is kept. *Turn*: one
message at a time, from its leaving until its acknowledgement is there, over the broker and back, with a rollout of all
devices running and 1 % of them with an open incident. *Memory*: `VmHWM` after a rollout of all has ended, under
telemetry of all; then a new process on the same database, until it answers. *Reconnect*: 10,000 devices of a connection
each; a rollout of all is started, the broker killed and away for so long, then all come at once with the windows that
they closed meanwhile. *Month*: 30 days of telemetry of 1,000 devices, rolled up; scaled down: a day that is over has 72
windows a device and not 2,880, as its file has an index and is only read; today's, to which all is written, has all
2,880. A page is what the dashboard shows of one device: itself, 100 windows, a week by hours.
"""
Row = dict[str, Any]


def page(results: Row) -> str:
    return "\n".join(_lines(results, results["parts"])).rstrip() + "\n"


def _lines(results: Row, known: Parts) -> Iterator[str]:
    host = results["host"]
    yield "# A large fleet, measured"
    yield ""
    yield f"Written by `{results['repeat']}` on {results['date']}: {host['cores']} cores, {host['machine']}, Python"
    yield f'{host["python"]}. One part: `make bench BENCH="fleet ingest-batch"`.'
    yield ""
    yield from targets_table(results["targets"])
    yield _HOW
    yield "## Telemetry"
    yield ""
    yield _INGEST
    heads = ("part", "by", "windows/s", "p50, p99 of the wait", "rows before", "not found", "sent again", "cores")
    yield from table(heads, _ingested(known))
    yield "## From size to size"
    yield ""
    yield _OTHERS
    yield from table(("part", "devices, or the broker away", "measured"), _sized(known))
    yield "## Ground"
    yield ""
    yield "The filesystem of the state, the median of 50 small writes with fsync, and what a commit promises:"
    yield ""
    yield from table(("part", "filesystem", "fsync", "broker", "database"), _grounds(known))


def _ingested(known: Parts) -> Iterator[list[str]]:
    for part in (each for each in known if "ingest" in each):
        for name in known[part]["cases"]:
            row = case(known, part, name)
            if row is None:
                yield [part, name, known[part]["cases"][name]["cut"], *[""] * 5]
                continue
            wait, cores = row["wait"], [row.get(f"{each}_cores") for each in ("server", "broker", "generator")]
            yield [
                part,
                name,
                f"{row['windows_hz']:,.0f}",
                f"{wait['p50_s'] * 1e3:.0f} ms, {wait['p99_s'] * 1e3:.0f} ms" if wait else "",
                f"{row['rows_before']:,}" if "rows_before" in row else "",
                f"{row['missing']:,}" if "missing" in row else "",
                f"{row['again']:,}",
                ", ".join("-" if each is None else f"{each:.2f}" for each in cores),
            ]


def _sized(known: Parts) -> Iterator[list[str]]:
    for part in (each for each in known if "ingest" not in each):
        plain = part.removeprefix(BEFORE).removeprefix(POSTGRES)
        for name, row in known[part]["cases"].items():
            yield [part, f"{int(name):,}" if name.isdigit() else name, row.get("cut") or sentence(plain, row)]


def _grounds(known: Parts) -> Iterator[list[str]]:
    for part, row in known.items():
        told = sorted({each["durability"] for each in row["cases"].values()})
        yield [
            part,
            row["disk"]["filesystem"],
            f"{row['disk']['fsync_s'] * 1e3:.1f} ms",
            row["broker"],
            "; ".join(told),
        ]
