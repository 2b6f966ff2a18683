"""The members of a running rollout, counted as they move, and the queue of who goes next: a rollout of any size is
judged by its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heappop, heappush, nsmallest

from controller.core.nouns.member import ENDED, NOT_IN_WAVES, Member, Standing

_Place = tuple[Standing, bool]
"""Where a member stands, and whether a wave has let it go."""

_PLACES = {(standing, gone): (standing, gone) for standing in Standing for gone in (True, False)}


class Muster:
    """`put` each member as it is by now."""

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self._places = dict[str, _Place]()
        self._counts = Counter[_Place]()
        self._failed, self._queue = set[str](), list[str]()
        for each in members:
            self.put(each)

    def put(self, member: Member) -> bool:
        """Whether that is news. Who has left is not counted."""
        place = _PLACES[member.standing, member.wave is not None] if member.counts else None
        known = self._places.pop(member.device, None)
        if place is not None:
            self._places[member.device] = place
        if known == place:
            return False
        self._count(member.device, known, -1)
        self._count(member.device, place, 1)
        return True

    def drop(self, device: str) -> bool:
        """It is no member any more; whether it was one."""
        known = self._places.pop(device, None)
        self._count(device, known, -1)
        return known is not None

    def _count(self, device: str, place: _Place | None, step: int) -> None:
        if place is None:
            return
        self._counts[place] += step
        if place[0] is Standing.FAILED:
            (self._failed.add if step > 0 else self._failed.discard)(device)
        if step > 0 and place == (Standing.READY, False):
            heappush(self._queue, device)

    def __len__(self) -> int:
        return len(self._places)

    def count(self, *standings: Standing) -> int:
        return sum(self._counts[each, gone] for each in standings for gone in (True, False))

    @property
    def counts(self) -> dict[_Place, int]:
        """How many are where; nothing of where nobody is."""
        return {place: count for place, count in self._counts.items() if count}

    @property
    def feasible(self) -> int:
        """How many are placed and can be given something."""
        return len(self) - self.count(*NOT_IN_WAVES, Standing.UNPLACED) + self._counts[Standing.UNPLACED, True]

    @property
    def gone(self) -> int:
        """How many of the feasible ones a wave has let go."""
        return sum(count for (stands, gone), count in self._counts.items() if gone and stands not in NOT_IN_WAVES)

    @property
    def ended(self) -> int:
        return self.count(*ENDED)

    def first_failed(self, most: int) -> list[str]:
        return nsmallest(most, self._failed)

    def next(self, most: int) -> list[str]:
        """The first of those who are ready and were not let go, in the order of their ids; each is told once, and is to
        be `put` as let go."""
        found = dict[str, None]()
        while self._queue and len(found) < most:
            device = heappop(self._queue)
            if self._places.get(device) == (Standing.READY, False):
                found[device] = None
        return list(found)
