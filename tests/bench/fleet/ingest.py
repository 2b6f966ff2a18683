"""Windows a second until they are acknowledged rows: by the controller, by a script, and by the broker alone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from tests.bench.fleet import script
from tests.bench.fleet.devices import Windows, ids
from tests.bench.fleet.lab import STILL, Lab
from tests.bench.fleet.limits import TimeIsUp
from tests.bench.fleet.load import Load
from tests.bench.fleet.rollout import rolled_out
from tests.e2e.grounds import Process

Row = dict[str, Any]
_ROWS = "SELECT count(*) FROM windows"
_FILL_S = 180.0
_SPARE_S = 15.0
_SETTLE_S = 2.0
_BARE_S = 20.0


def by_controller(lab: Lab, model: Path, count: int, batch: int, rows: int, seconds: float) -> Row:
    """With a rollout of all devices running. First as many windows as make `rows`, or as come within three minutes."""
    lab.fleet(count, model, **STILL)
    with lab.crowd(ids(count)) as crowd:
        (sha256, *_) = set(rolled_out(lab, crowd).sha256.values())
        load = Load(crowd, Windows(sha256), batch)
        load.run(_FILL_S, lambda: load.acknowledged >= rows or lab.until.left_s < seconds + _SPARE_S)
        before = load.acknowledged
        row = cores_of(lab, {"server": lab.controller.pid}, lambda: load.run(_in_time(lab, seconds)))
        acknowledged = load.acknowledged
    return row | {"rows_before": before, "missing": max(acknowledged - lab.windows(), 0)}


def by_script(lab: Lab, count: int, batch: int, rows: int, seconds: float) -> Row:
    """On a table with as many rows as the controller had, which are put there without waiting for the disk."""
    database = lab.state / "script.db"
    script.prepare(database)
    _fill(database, rows, lambda: lab.until.left_s > seconds + _SPARE_S)
    server = Process("script", "tests.bench.fleet.script", [str(lab.port), str(database)], lab.state / "script.log")
    server.start()
    try:
        time.sleep(_SETTLE_S)
        with lab.crowd(ids(count)) as crowd:
            load = Load(crowd, Windows(None), batch)
            row = cores_of(lab, {"server": server.pid}, lambda: load.run(seconds))
            acknowledged = load.acknowledged
    finally:
        server.end()
    with closing(sqlite3.connect(database)) as connection:
        kept = connection.execute(_ROWS).fetchone()[0] - rows
    return row | {"rows_before": rows, "missing": max(acknowledged - kept, 0)}


def by_broker(lab: Lab, count: int, batch: int, seconds: float) -> Row:
    """Published, and received by a subscriber that does nothing with it."""
    with lab.crowd(ids(count)) as crowd:
        load = Load(crowd, Windows(None), batch, bare=True)
        return cores_of(lab, {}, lambda: load.run(min(seconds, _BARE_S)))


def cores_of(lab: Lab, pids: dict[str, int], measure: Callable[[], Row]) -> Row:
    """With the cores that each process took meanwhile."""
    known = pids | ({} if lab.broker.pid is None else {"broker": lab.broker.pid})
    processes = {name: psutil.Process(pid) for name, pid in known.items()}
    before = {name: _cpu_s(each) for name, each in processes.items()}
    row = measure()
    return row | {f"{name}_cores": (_cpu_s(each) - before[name]) / row["seconds"] for name, each in processes.items()}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _in_time(lab: Lab, seconds: float) -> float:
    """What is left, where placing the devices took so long; a little it is always."""
    return min(seconds, max(lab.until.left_s, _SPARE_S))


def _fill(database: Path, rows: int, in_time: Callable[[], bool]) -> None:
    """Of another device, so that none is taken for a resend. Raises `TimeIsUp`."""
    windows, batch = Windows(None), 10
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for at in range(0, rows, 10_000):
            if not in_time():
                raise TimeIsUp(f"{at:,} of {rows:,} rows are there before")
            seqs = range(at + 1, min(at + 10_000, rows) + 1, batch)
            messages = (script.rows_of(windows.message("filler", seq, batch)) for seq in seqs)
            connection.executemany(script.INSERT, [row for message in messages for row in message])
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
