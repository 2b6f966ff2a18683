"""Who is to be looked at when, by time alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heappop, heappush


class Timers:
    """One moment a key. A later moment than the one that is set is found when that one comes up: who is looked at then
    too early says anew when he is due."""

    def __init__(self) -> None:
        self._heap = list[tuple[float, str]]()
        self._set = dict[str, float]()

    def at(self, key: str, due_s: float) -> None:
        """Infinity is never."""
        if due_s < self._set.get(key, math.inf):
            self._set[key] = due_s
            heappush(self._heap, (due_s, key))

    def due(self, now_s: float) -> Iterator[str]:
        """Those whose moment has come, the earliest first; each is forgotten as it is told."""
        while self._heap and self._heap[0][0] <= now_s:
            due_s, key = heappop(self._heap)
            if self._set.get(key) == due_s:
                del self._set[key]
                yield key
