"""A slow round past all devices, to find one that somebody should have woken and nobody did."""

from __future__ import annotations

from collections.abc import Iterable

_SHARE_A_SECOND = 0.01
_AT_ONCE = 20  # so that no turn is long for it


class Patrol:
    """Whose turn it is, at one in a hundred of the fleet a second."""

    def __init__(self) -> None:
        self._left = list[str]()
        self._before_s: float | None = None
        self._owed = 0.0

    def next(self, devices: Iterable[str], number: int, now_s: float) -> list[str]:
        """The next ones of these `devices`, of which there are so many; `now_s` by a clock that does not jump."""
        before_s = now_s if self._before_s is None else self._before_s
        self._before_s = now_s
        self._owed = min(self._owed + (now_s - before_s) * number * _SHARE_A_SECOND, float(_AT_ONCE))
        if not self._left:
            self._left = list(devices)[::-1]
        due = min(int(self._owed), len(self._left))
        self._owed -= due
        return [self._left.pop() for _ in range(due)]
