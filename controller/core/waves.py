"""Which devices of a rollout may go now, and when it moves on, ends or stops.

A wave is a share of the feasible members: first those that have been let go already, which is never taken back, then
those whose variant is there, then those that wait for a prune, each in the order of their ids. It passes when each of
its devices has ended well and soaked without an incident; silence past the deadline is a failure. Infeasible devices
are no part of any wave, nor are refused ones, whose agent speaks another wire: once that is updated they join late. A
rollout that ends without one success has failed, whatever kept the devices from it: nothing was brought to anybody.
"""

from __future__ import annotations

import math
from dataclasses import replace
from heapq import nsmallest

from controller.core.muster import ENDED, Muster, Standing
from controller.core.nouns.rollout import Rollout, RolloutState

_IN_TURN = (Standing.READY, Standing.WAITING, Standing.UNPLACED)
_NOT_IN_WAVES = (Standing.INFEASIBLE, Standing.REFUSED)
_NAMED = 10


def admitted(rollout: Rollout, muster: Muster) -> frozenset[str]:
    """The devices that the running rollout's current wave lets go beside those that are gone already."""
    feasible = len(muster) - muster.count(*_NOT_IN_WAVES)
    room = math.ceil(rollout.waves[rollout.wave] * feasible - 1e-9) - muster.gone
    going = list[str]()
    for standing in _IN_TURN:
        if len(going) < room:
            going += nsmallest(room - len(going), muster.at(standing))
    return frozenset(going)


def advance(rollout: Rollout, muster: Muster, now_unix_s: float) -> Rollout | None:
    """The rollout's next state, or None where nothing changes. `muster` has let go whom the wave admits."""
    if rollout.state is not RolloutState.RUNNING or not len(muster) or muster.count(Standing.UNPLACED):
        return None
    wave, failed = muster.gone + len(muster.let_go), muster.count(Standing.FAILED)
    if failed > rollout.max_failures * wave:
        return _end(rollout, RolloutState.FAILED, now_unix_s, f"failed on {_names(muster)}")
    if muster.count(*ENDED) < wave:
        return None
    if rollout.wave + 1 < len(rollout.waves):
        return replace(rollout, wave=rollout.wave + 1, wave_started_unix_s=now_unix_s)
    if not muster.count(Standing.SUCCEEDED):
        return _end(rollout, RolloutState.FAILED, now_unix_s, f"no device succeeded: {_summary(muster)}")
    return _end(rollout, RolloutState.FINISHED, now_unix_s, _summary(muster))


def _end(rollout: Rollout, state: RolloutState, now_unix_s: float, reason: str) -> Rollout:
    return replace(rollout, state=state, finished_unix_s=now_unix_s, reason=reason)


def _names(muster: Muster) -> str:
    failed = muster.at(Standing.FAILED)
    more = len(failed) - _NAMED
    return ", ".join(nsmallest(_NAMED, failed)) + (f" and {more} more" if more > 0 else "")


def _summary(muster: Muster) -> str:
    counts = {standing: muster.count(standing) for standing in Standing}
    return ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
