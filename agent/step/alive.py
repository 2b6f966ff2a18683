"""That the device is there: how long it may say nothing, and its status once more when it has said nothing for longer.

Who serves is heard by its telemetry. Who serves nothing, or is on battery, says in its status how long it is silent.
"""

from __future__ import annotations

from dataclasses import replace

from agent.step.report import status
from agent.step.state import State, Turn

IDLE_S = 300.0
"""How long a device that has nothing to serve says nothing."""

REPEAT_WINDOWS, REPEAT_LEAST_S = 2, 10.0


def hold_s(state: State) -> float:
    """How much longer than its windows the device may say nothing."""
    return IDLE_S if state.record.active is None else state.held_back_s


def say(state: State, now_s: float) -> Turn:
    state = replace(state, told_hold_s=hold_s(state), spoke_s=now_s)
    return Turn(state).do(status(state, online=True))


def watch_silence(state: State, now_s: float) -> Turn:
    """Where the figures of the last status hold no longer, or nothing was said for longer than they allow."""
    if not state.link_up:
        return Turn(state)
    allowed_s = hold_s(state) + max(REPEAT_WINDOWS * state.setup.window_s, REPEAT_LEAST_S)
    due = hold_s(state) != state.told_hold_s or now_s - state.spoke_s >= allowed_s
    return say(state, now_s) if due else Turn(state)
