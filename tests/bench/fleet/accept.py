"""Devices that have announced themselves are accepted one by one, by one client that waits for each answer."""

from __future__ import annotations

import time
from typing import Any

from tests.bench.fleet import devices
from tests.bench.fleet.lab import Lab

Row = dict[str, Any]


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
