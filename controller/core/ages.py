"""When each window of a message was closed, by the controller's clock, and whether it is history.

A device knows how long ago that was by its own steady clock, whatever its other clock says. Three cases:

- *Told*: the window and its message have times of one clock. Their difference is the age.
- *Of an earlier boot of the host*: it is older than that clock. It is history, and was closed when the device's other
  clock says, where that can be, else as the host booted.
- *Not told*, by an older agent, or told as it cannot be: it is at least as old as the windows after it in its message
  are long.

A clock that people set is asked in the second case alone, and only where to put what is judged by nobody. Time on the
way does not count: a device has one message under way, and sends it anew with the age that it has then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agent.wire.messages import Telemetry, Window
from agent.wire.ranges import OLDEST_S, believed
from controller.core.policy import Policy


class Closed(NamedTuple):
    """`history` is stored and judged by nobody: what it tells of is long over."""

    unix_s: float
    history: bool


def closings(message: Telemetry, windows: Sequence[Window], received_unix_s: float, policy: Policy) -> list[Closed]:
    """Of the windows of `message`, given as they were told and without what cannot be (`windows`), in their order."""
    now_s, later_s, found = believed("now_s", message.now_s), 0.0, list[Closed]()
    for told, window in zip(reversed(message.windows), reversed(windows), strict=True):
        known_s = window.closed_s
        if now_s is not None and known_s is not None:
            age_s = now_s - known_s
        elif now_s is None or told.closed_s is not None:
            age_s = later_s
        else:
            found.append(Closed(_earlier(window, now_s + later_s, received_unix_s), history=True))
            later_s += window.duration_s or 0.0
            continue
        age_s = min(max(age_s, 0.0), OLDEST_S)
        found.append(Closed(received_unix_s - age_s, age_s > policy.history_s))
        later_s += window.duration_s or 0.0
    return found[::-1]


def _earlier(window: Window, least_age_s: float, received_unix_s: float) -> float:
    latest_unix_s = received_unix_s - min(least_age_s, OLDEST_S)
    hint = window.wall_unix_s
    return hint if hint is not None and received_unix_s - OLDEST_S <= hint <= latest_unix_s else latest_unix_s
