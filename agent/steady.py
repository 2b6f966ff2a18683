"""Jumps that physics does not allow: a reading far from the one before it is believed once a second look agrees."""

from __future__ import annotations

from agent.wire.ranges import STEP_S, Range, with_unit

_Look = tuple[float, float]  # value, seconds


class Steady:
    """One sensor's readings through time. So a glitch is left out, and a real change is withheld for one look."""

    def __init__(self, allowed: Range) -> None:
        self._allowed = allowed
        self._trusted: _Look | None = None
        self._doubted: _Look | None = None

    def why_not(self, value: float, now_s: float) -> str:
        """Why `value`, read at `now_s` of a monotonic clock, is not believed; empty where it is."""
        known = [look for look in (self._trusted, self._doubted) if look is not None]
        if not known or any(self._near(look, value, now_s) for look in known):
            self._trusted, self._doubted = (value, now_s), None
            return ""
        self._doubted = (value, now_s)
        unit = self._allowed.unit
        return f"{with_unit(known[0][0], unit)} became {with_unit(value, unit)} at once"

    def _near(self, look: _Look, value: float, now_s: float) -> bool:
        before, then_s = look
        step = self._allowed.step
        return step is None or abs(value - before) <= step * max(1.0, (now_s - then_s) / STEP_S)
