"""What each commit changed, by name, for those who watch: told by the loop, asked for by any thread.

Commits are numbered, and the number is in the database with what it wrote: it goes on after a restart and never back.
So whoever knows the fleet as of one commit asks for what has changed since, and has it all without a gap; from too long
ago he begins anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

_COMMITS, _NAMES = 10_000, 200_000  # of the newest commits, as long as they do not name more than so many


@dataclass(frozen=True, slots=True)
class Change:
    """The ids of what one commit wrote."""

    commit: int
    devices: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    rollouts: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    bulks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, (self.devices, self.incidents, self.rollouts, self.jobs, self.bulks)))


@dataclass(slots=True)
class News:
    """All that has changed up to `commit`, each named once, in the order in which it changed first."""

    commit: int
    devices: dict[str, None] = field(default_factory=dict)
    incidents: dict[str, None] = field(default_factory=dict)
    rollouts: dict[str, None] = field(default_factory=dict)
    jobs: dict[str, None] = field(default_factory=dict)
    bulks: dict[str, None] = field(default_factory=dict)

    def add(self, change: Change, devices: Iterable[str]) -> None:
        self.commit = change.commit
        self.devices.update(dict.fromkeys(devices))
        self.incidents.update(dict.fromkeys(change.incidents))
        self.rollouts.update(dict.fromkeys(change.rollouts))
        self.jobs.update(dict.fromkeys(change.jobs))
        self.bulks.update(dict.fromkeys(change.bulks))

    def __len__(self) -> int:
        return sum(map(len, (self.devices, self.incidents, self.rollouts, self.jobs, self.bulks)))


class Changes:
    """The newest of them. `last` is the number of the newest commit."""

    def __init__(self, commits: int = _COMMITS, names: int = _NAMES) -> None:
        self._lock, self._ring = threading.Lock(), deque[Change]()
        self._commits, self._most_names, self._names = commits, names, 0
        self._before = self.last = 0

    def begin(self, commit: int) -> None:
        """Nothing is remembered of what came before this one."""
        with self._lock:
            self._ring.clear()
            self._names, self._before, self.last = 0, commit, commit

    def tell(self, change: Change) -> None:
        with self._lock:
            self._ring.append(change)
            self._names, self.last = self._names + len(change), change.commit
            while len(self._ring) > self._commits or self._names > self._most_names:
                oldest = self._ring.popleft()
                self._names, self._before = self._names - len(oldest), oldest.commit

    def since(
        self, commit: int, until: int | None = None, only: Collection[str] | None = None, most: int = _NAMES
    ) -> News | None:
        """What has changed after `commit`, and up to `until`; None where that is not remembered any more, or has not
        been yet.

        Of devices `only` these, where it is said. Once `most` are named the rest is left for the next time.
        """
        remembered = self._after(commit)
        if remembered is None:
            return None
        news = News(commit)
        for change in remembered:
            if len(news) >= most or (until is not None and change.commit > until):
                break
            news.add(change, change.devices if only is None else [each for each in change.devices if each in only])
        return news

    def _after(self, commit: int) -> list[Change] | None:
        """Copied, so that nobody waits while they are gone through."""
        with self._lock:
            if not self._before <= commit <= self.last:
                return None
            return [*_newest(self._ring, commit)][::-1]


def _newest(ring: deque[Change], commit: int) -> Iterator[Change]:
    for change in reversed(ring):
        if change.commit <= commit:
            return
        yield change
