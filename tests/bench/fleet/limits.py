"""Every measurement has an end."""

from __future__ import annotations

import time


class TimeIsUp(Exception):
    """Why it was not measured to its end: what had been reached by then."""


class Until:
    def __init__(self, seconds: float) -> None:
        self._end_s = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        return self._end_s - time.monotonic()

    def check(self, reached: str) -> None:
        """Raises `TimeIsUp`."""
        if self.left_s <= 0:
            raise TimeIsUp(reached)
