"""What a month of telemetry costs whoever writes to it, reads from it, and drops the old of it.

It is scaled down, and says how: the days that are over have `_PER_DAY` windows a device instead of 2,880, as each is a
file of its own with an index that is only read; today's file, to which all is written, is as long as a whole day makes
it. All of it is rolled up, as it is in a controller that ran meanwhile.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from agent.wire.messages import Window
from controller.client import Client
from controller.core.nouns.window import StoredWindow
from controller.loop.rollup import roll_up
from controller.store.store import Store
from tests.bench.fleet import devices
from tests.bench.fleet.figures import summary
from tests.bench.fleet.lab import STILL, Lab
from tests.bench.fleet.load import Load
from tests.bench.fleet.rollout import rolled_out

Row = dict[str, Any]
_DAYS, _PER_DAY, _TODAY = 30, 72, 2_880
_DAY_S = 86_400.0
_BOOT = "month"
_BATCH, _AT_ONCE, _DRAWN = 10, 20_000, 64
_KEEP, _SLICE_S = "7 d", 5.0
_WINDOWS, _HOURS, _PAUSE_S = 100, 168, 0.25  # a page: the newest windows, and a week by hours
_SEED = 20261128


def month(lab: Lab, model: Path, count: int, seconds: float) -> Row:
    """Windows a second without it, beside it, and while what is older than a week goes; and how long a device's page
    takes to be answered beside it."""
    lab.fleet(count, model, **STILL)
    with lab.crowd(devices.ids(count)) as crowd:
        (sha256, *_) = set(rolled_out(lab, crowd).sha256.values())
        load = Load(crowd, devices.Windows(sha256), _BATCH)
        without = load.run(seconds)
        before = load.acknowledged
        lab.stop()
        rows = _fill(lab, sha256)
        start_s, parts = lab.serve(retention=_KEEP, **STILL), lab.parts()
        with _Reader(lab, crowd.ids) as reader:
            beside = load.run(seconds)
        going = _until_they_go(lab, load)
        gone = parts - lab.parts()
    return {
        "rows": rows,
        "start_s": start_s,
        "without_hz": without["windows_hz"],
        "beside_hz": beside["windows_hz"],
        "going_hz": going,
        "parts_gone": gone,
        "page": summary(reader.waits),
        "missing": max(load.acknowledged - before + rows - gone * _PER_DAY * count - lab.windows(), 0),
    }


def _until_they_go(lab: Lab, load: Load) -> float:
    """What is too old goes once a round past all devices has ended, ten minutes after the start. Windows a second from
    the slice in which the first part goes until the one after the last."""
    parts, hz = lab.parts(), list[float]()
    while True:
        lab.until.check("nothing has gone yet")
        found_hz, left = load.run(_SLICE_S)["windows_hz"], lab.parts()
        if left < parts:
            hz.append(found_hz)
        elif hz:
            return sum(hz) / len(hz)
        parts = left


class _Reader:
    """Asks for what a device's page shows, of one device after the other, in a thread of its own."""

    def __init__(self, lab: Lab, ids: list[str]) -> None:
        self._client, self._ids, self._dice = lab.client, ids, random.Random(_SEED)
        self._pool, self._enough = ThreadPoolExecutor(1), Event()
        self.waits = list[float]()

    def __enter__(self) -> _Reader:
        self._asked: Future[None] = self._pool.submit(self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._pool.shutdown()
        self._asked.result()

    def _read(self) -> None:
        while not self._enough.wait(_PAUSE_S):
            began_s = time.monotonic()
            _read_page(self._client, self._dice.choice(self._ids))
            self.waits.append(time.monotonic() - began_s)


def _read_page(client: Client, device: str) -> None:
    client.device(device)
    client.telemetry(device, _WINDOWS)
    client.hours(device, _HOURS)


def _fill(lab: Lab, sha256: str) -> int:
    """By the store itself, day by day, in place of what was measured without; how many windows."""
    store, dice = Store(lab.url), random.Random(_SEED)
    store.open()
    with store.read() as tx:
        known = tx.devices()
    ids, drawn = [each.id for each in known], [devices.window(dice, sha256) for _ in range(_DRAWN)]
    with store.begin() as tx:
        for part in store.telemetry.parts:
            tx.forget_windows(part, _AT_ONCE)
    now_unix_s, rows = time.time(), 0
    for days_ago in range(_DAYS - 1, -1, -1):
        began_unix_s = (now_unix_s // _DAY_S - days_ago) * _DAY_S
        lasts_s, per_day = (_DAY_S, _PER_DAY) if days_ago else (now_unix_s - began_unix_s, _TODAY)
        windows = _day(ids, drawn, rows // len(ids), [began_unix_s + lasts_s * at / per_day for at in range(per_day)])
        while some := list(islice(windows, _AT_ONCE)):
            lab.until.check(f"{rows:,} rows are there before")
            with store.begin() as tx:
                tx.put_windows(some)
            rows += len(some)
        with store.begin() as tx:
            tx.flush_marks(len(ids))
            for each in known:
                while roll_up(tx, each, _TODAY) == _TODAY:
                    pass
    store.close()
    return rows


def _day(ids: list[str], drawn: list[Window], before: int, received: list[float]) -> Iterator[StoredWindow]:
    """At each of these moments a window of every device, which had so many before."""
    for seq, unix_s in enumerate(received, before + 1):
        window = msgspec.structs.replace(drawn[seq % len(drawn)], seq=seq)
        for device in ids:
            yield StoredWindow(device, _BOOT, unix_s, window, unix_s, outside=False)
