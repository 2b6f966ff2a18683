"""The way out of a worker that serves: time to answer what it was asked, and its last window."""

from __future__ import annotations

from dataclasses import replace

from agent.step.effects import DRAIN_S, StopWorker
from agent.step.state import State, Turn

ASKED = 32
"""Requests that may wait in a worker, one on each of its connections."""

SWAPPING_S = 60.0
STOPPING_S = 10.0
"""The most that it gets: in a swap its memory is in the way, and who stops the agent has less patience."""


def retire(state: State, most_s: float) -> Turn:
    """End the active worker. What waits in it may each take as long as its cap on latency."""
    worker, slot = state.active, state.record.active
    if worker is None or slot is None:
        return Turn(state)
    asked_s = ASKED * (slot.assignment.latency_p95_ms or 0.0) / 1e3
    within_s = min(most_s, max(DRAIN_S, asked_s))
    return Turn(replace(state, active=None, retired=worker)).do(StopWorker(worker.id, within_s=within_s))
