"""Which devices of a rollout may go now, and when it moves on, ends or stops.

A wave is a share of the feasible members: first those that have been let go already, which is never taken back, then
those whose variant is there, in the order of their ids; who waits for a prune goes once it is made, where there is room
by then. It passes when as many have ended well and soaked without an incident; silence past the deadline is a failure.
Infeasible devices are no part of any wave, nor are refused ones, whose agent speaks another wire: once that is updated
they join late. A rollout that ends without one success has failed, whatever kept the devices from it: nothing was
brought to anybody.

A large rollout is placed in slices. Its share is one of those who are placed by then, so that the first go at once; it
moves on when all are.
"""

from __future__ import annotations

import math
from dataclasses import replace

from controller.core.muster import Muster
from controller.core.nouns.member import Standing
from controller.core.nouns.rollout import Rollout, RolloutState

_NAMED = 10


def room(rollout: Rollout, muster: Muster) -> int:
    """How many more the running rollout's current wave lets go."""
    return max(size(rollout, muster) - muster.gone, 0)


def size(rollout: Rollout, muster: Muster) -> int:
    """How many of those who are placed by now the current wave and those before it have."""
    return max(math.ceil(rollout.waves[rollout.wave] * muster.feasible - 1e-9), muster.gone)


def advance(rollout: Rollout, muster: Muster, now_unix_s: float) -> Rollout | None:
    """The rollout's next state, or None where nothing changes."""
    if rollout.state is not RolloutState.RUNNING or not len(muster) or muster.count(Standing.UNPLACED):
        return None
    wave = size(rollout, muster)
    if muster.count(Standing.FAILED) > rollout.max_failures * wave:
        return _end(rollout, RolloutState.FAILED, now_unix_s, f"failed on {_names(muster)}")
    if muster.ended < wave:
        return None
    if rollout.wave + 1 < len(rollout.waves):
        return replace(rollout, wave=rollout.wave + 1, wave_started_unix_s=now_unix_s)
    if not muster.count(Standing.SUCCEEDED):
        return _end(rollout, RolloutState.FAILED, now_unix_s, f"no device succeeded: {_summary(muster)}")
    return _end(rollout, RolloutState.FINISHED, now_unix_s, _summary(muster))


def _end(rollout: Rollout, state: RolloutState, now_unix_s: float, reason: str) -> Rollout:
    return replace(rollout, state=state, finished_unix_s=now_unix_s, reason=reason)


def _names(muster: Muster) -> str:
    more = muster.count(Standing.FAILED) - _NAMED
    return ", ".join(muster.first_failed(_NAMED)) + (f" and {more} more" if more > 0 else "")


def _summary(muster: Muster) -> str:
    counts = {standing: muster.count(standing) for standing in Standing}
    return ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
