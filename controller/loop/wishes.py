"""The prunes that devices wait for, counted as placements come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from controller.core.nouns.placement import Placement

Wish = tuple[str, str]
"""A model, and the key of the caps of a prune of it."""


class Wishes:
    def __init__(self, placements: Iterable[Placement] = ()) -> None:
        self._waiting, self._bare = Counter[Wish](), Counter[Wish]()
        self.add(placements)

    def add(self, placements: Iterable[Placement]) -> None:
        self._count(placements, 1)

    def remove(self, placements: Iterable[Placement]) -> None:
        self._count(placements, -1)

    def copy(self) -> Wishes:
        made = Wishes()
        made._waiting, made._bare = self._waiting.copy(), self._bare.copy()
        return made

    @property
    def all(self) -> frozenset[Wish]:
        return frozenset(self._waiting)

    @property
    def needed(self) -> frozenset[Wish]:
        """Those that a device waits for which has nothing to run."""
        return frozenset(wish for wish, devices in self._bare.items() if devices)

    def _count(self, placements: Iterable[Placement], step: int) -> None:
        for each in placements:
            if each.waiting_for is not None:
                wish = (each.model, each.waiting_for)
                self._waiting[wish] += step
                self._bare[wish] += step * (each.sha256 is None)
                if not self._waiting[wish]:
                    del self._waiting[wish], self._bare[wish]
