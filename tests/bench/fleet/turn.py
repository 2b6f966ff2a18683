"""What one telemetry message costs while the whole fleet is in a rollout and some devices have incidents."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from tests.bench.fleet import devices
from tests.bench.fleet.crowd import Crowd
from tests.bench.fleet.figures import summary
from tests.bench.fleet.lab import STILL, Lab
from tests.bench.fleet.limits import TimeIsUp
from tests.bench.fleet.rollout import rolled_out

Row = dict[str, Any]
_TURNS = 10_000
_FEWEST = 10
_SECONDS = 180.0
_LONGEST_S = 30.0  # of one turn
_TROUBLED = 0.01
_BREACHES = 5
_SEED = 20261128
_OPEN = "SELECT count(*) FROM incidents WHERE closed_unix_s IS NULL"


def turn(lab: Lab, model: Path, count: int, turns: int = _TURNS) -> Row:
    """One message at a time, of any device that has no incident: from its leaving until its acknowledgement is there.

    The way over the broker and back is in it. As many of `turns` as fit into the time.
    """
    lab.fleet(count, model, **STILL)
    ids = devices.ids(count)
    with lab.crowd(ids) as crowd:
        (sha256, *_) = set(rolled_out(lab, crowd).sha256.values())
        crowd.hear("ack", qos=0)
        troubled = ids[:: round(1 / _TROUBLED)]
        _trouble(lab, crowd, troubled, sha256)
        well = sorted(set(ids) - set(troubled))
        waits = _turns(lab, crowd, random.Random(_SEED).choices(well, k=turns), sha256)
    return summary(waits) | {"incidents_open": lab.count(_OPEN)}


def _trouble(lab: Lab, crowd: Crowd, troubled: list[str], sha256: str) -> None:
    for device in troubled:
        crowd.say(device, "telemetry", devices.breaching(device, sha256, 1, _BREACHES))
    while (found := lab.count(_OPEN)) < len(troubled):
        lab.until.check(f"{found} of {len(troubled)} incidents open")
        for _ in crowd.turn(0.05):
            pass


def _turns(lab: Lab, crowd: Crowd, chosen: list[str], sha256: str) -> list[float]:
    windows, waits = devices.Windows(sha256), list[float]()
    end_s = time.monotonic() + min(_SECONDS, lab.until.left_s)
    for seq, device in enumerate(chosen, start=1):
        if time.monotonic() > end_s and len(waits) >= _FEWEST:
            break
        began_s = time.monotonic()
        crowd.say(device, "telemetry", windows.message(device, seq, 1))
        while (device, "ack") not in [(who, leaf) for who, leaf, _ in crowd.turn(0.05)]:
            if time.monotonic() - began_s > _LONGEST_S:
                raise TimeIsUp(f"no acknowledgement within {_LONGEST_S:.0f} s after {len(waits)} turns")
        waits.append(time.monotonic() - began_s)
    return waits
