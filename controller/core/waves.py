"""Which devices of a rollout may go now, and when it moves on, ends or stops.

A wave is a share of the feasible members: first those that have been let go already, then those whose variant is there,
then those that wait for a prune, each in the order of their ids. It passes when each of its devices has ended well and
soaked without an incident; silence past the deadline is a failure. Infeasible devices are no part of any wave, nor are
refused ones, whose agent speaks another wire: once that is updated they join late. A rollout that ends without one
success has failed, whatever kept the devices from it: nothing was brought to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.core.nouns.rollout import Rollout, RolloutState


class Standing(StrEnum):
    """Where one member stands in its rollout."""

    UNPLACED = "unplaced"
    INFEASIBLE = "infeasible"
    REFUSED = "refused"
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    SOAKING = "soaking"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Member:
    device: str
    standing: Standing


_NOT_IN_WAVES = (Standing.INFEASIBLE, Standing.REFUSED)
_ENDED = (Standing.SUCCEEDED, Standing.FAILED)
_TURN = {Standing.READY: 1, Standing.WAITING: 2, Standing.UNPLACED: 3}


def admitted(rollout: Rollout, members: Sequence[Member]) -> frozenset[str]:
    """The devices that the running rollout's current wave lets go."""
    feasible = [each for each in members if each.standing not in _NOT_IN_WAVES]
    feasible.sort(key=lambda each: (_TURN.get(each.standing, 0), each.device))
    share = rollout.waves[rollout.wave]
    return frozenset(each.device for each in feasible[: math.ceil(share * len(feasible) - 1e-9)])


def advance(rollout: Rollout, members: Sequence[Member], now_unix_s: float) -> Rollout | None:
    """The rollout's next state, or None where nothing changes."""
    if rollout.state is not RolloutState.RUNNING or not members:
        return None
    if any(each.standing is Standing.UNPLACED for each in members):
        return None
    going = admitted(rollout, members)
    wave = [each for each in members if each.device in going]
    failed = [each.device for each in wave if each.standing is Standing.FAILED]
    if len(failed) > rollout.max_failures * len(wave):
        return _end(rollout, RolloutState.FAILED, now_unix_s, f"failed on {', '.join(failed)}")
    if any(each.standing not in _ENDED for each in wave):
        return None
    if rollout.wave + 1 < len(rollout.waves):
        return replace(rollout, wave=rollout.wave + 1, wave_started_unix_s=now_unix_s)
    if not any(each.standing is Standing.SUCCEEDED for each in members):
        return _end(rollout, RolloutState.FAILED, now_unix_s, f"no device succeeded: {_summary(members)}")
    return _end(rollout, RolloutState.FINISHED, now_unix_s, _summary(members))


def _end(rollout: Rollout, state: RolloutState, now_unix_s: float, reason: str) -> Rollout:
    return replace(rollout, state=state, finished_unix_s=now_unix_s, reason=reason)


def _summary(members: Sequence[Member]) -> str:
    counts = {standing: sum(each.standing is standing for each in members) for standing in Standing}
    return ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
