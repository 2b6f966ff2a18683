"""`status.json`: what the agent is doing, for `agent status` and for the physics of a demo.

It is written where something changed, as `busy_s_total` does once a window: a card does not last long under a file
that is replaced at every tick.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from agent.slots import replace_atomically
from agent.step.report import info, reported
from agent.step.state import State

_log = logging.getLogger("agent")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """`busy_s_total` counts from the agent's start."""

    pid: int
    device: str
    phase: str
    seq: int
    sha256: str | None
    connected: bool
    busy_s_total: float
    emulated: str | None


class StatusFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: Told | None = None

    def tell(self, state: State, busy_s: float) -> None:
        now = _told(state, busy_s)
        if now == self._told:
            return
        try:
            replace_atomically(self._path, msgspec.json.encode(now))
        except OSError as error:
            _log.debug("event=status_not_written reason=%r", str(error))
            return
        self._told = now


def _told(state: State, busy_s: float) -> Told:
    said = reported(state)
    return Told(
        pid=os.getpid(),
        device=said.device,
        phase=said.phase,
        seq=said.seq,
        sha256=said.sha256,
        connected=state.link_up,
        busy_s_total=busy_s,
        emulated=info(state).emulated,
    )
