"""Devices that have announced themselves are accepted: one by one, by a client that waits for each answer, or all by
one request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.bench.fleet import devices
from tests.bench.fleet.lab import STILL, Lab

Row = dict[str, Any]
_LOOK_S = 0.1


def accept_each(lab: Lab, count: int) -> Row:
    """No rollout runs. Ends early where time is up, with what was accepted by then."""
    ids = devices.ids(count)
    lab.serve()
    lab.announce(ids)
    began_s, accepted = time.monotonic(), 0
    for device in ids:
        if lab.until.left_s <= 0:
            break
        lab.client.accept_device(device)
        accepted += 1
    row: Row = {"seconds": time.monotonic() - began_s, "accepted": accepted}
    if accepted < count:
        row["cut"] = f"{accepted:,} of {count:,} accepted in {row['seconds']:.0f} s"
    return row


def accept_bulk(lab: Lab, model: Path, count: int, selector: str) -> Row:
    """While a rollout of the devices that `selector` matches runs: all of them are in it where it is empty.

    Until the request is done, and until everybody whom the rollout matches is placed; nobody is there to answer.
    """
    ref = lab.announced(devices.ids(count), model, **STILL)
    lab.client.start_rollout(ref, selector, [1.0], allow_unverified=True)
    began_s = time.monotonic()
    bulk = lab.client.ask_bulk("accept", "bench", "")
    row: Row = {"asked_s": time.monotonic() - began_s}
    while (bulk := lab.client.bulk(bulk["id"]))["state"] != "done":
        lab.until.check(f"{bulk['cursor']:,} of {count:,} accepted in {time.monotonic() - began_s:.0f} s")
        time.sleep(_LOOK_S)
    row |= {"seconds": time.monotonic() - began_s, "accepted": bulk["done"]}
    while not selector and lab.count("SELECT count(*) FROM placements") < count:
        lab.until.check(f"{bulk['done']:,} accepted, not all are placed")
        time.sleep(_LOOK_S)
    return row | {"placed_s": None if selector else time.monotonic() - began_s}
