"""Where the members of a rollout stand, counted as they move, so that a rollout of any size is judged by its counts."""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum


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


ENDED = (Standing.SUCCEEDED, Standing.FAILED)
_GONE = (Standing.RUNNING, Standing.SOAKING, *ENDED)


class Muster:
    """The members of one rollout by standing, and those that its wave lets go though nothing was assigned to them yet:
    `let_go`."""

    def __init__(self) -> None:
        self._standing: dict[str, Standing] = {}
        self._by_standing = {standing: set[str]() for standing in Standing}
        self.let_go: frozenset[str] = frozenset()

    def put(self, device: str, standing: Standing) -> bool:
        """Whether that is news."""
        known = self._standing.get(device)
        if known is standing:
            return False
        self.drop(device)
        self._standing[device] = standing
        self._by_standing[standing].add(device)
        return True

    def drop(self, device: str) -> bool:
        """It is no member any more; whether it was one."""
        known = self._standing.pop(device, None)
        if known is None:
            return False
        self._by_standing[known].discard(device)
        return True

    def members(self) -> list[str]:
        return list(self._standing)

    def __len__(self) -> int:
        return len(self._standing)

    def count(self, *standings: Standing) -> int:
        return sum(len(self._by_standing[each]) for each in standings)

    def at(self, standing: Standing) -> Set[str]:
        return self._by_standing[standing]

    @property
    def gone(self) -> int:
        """How many have been let go and were assigned something."""
        return self.count(*_GONE)

    def goes(self, device: str) -> bool:
        return device in self.let_go or self._standing.get(device) in _GONE
