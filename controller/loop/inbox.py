"""What has happened and is still to be looked at, from any thread, in the order in which it came."""

from __future__ import annotations

import queue

from controller.loop.facts import Fact

_BATCH = 2000


class Inbox:
    def __init__(self) -> None:
        self._queue = queue.SimpleQueue[Fact]()

    def put(self, fact: Fact) -> None:
        self._queue.put(fact)

    def drain(self, timeout_s: float) -> list[Fact]:
        """What is there by now, as much as one turn takes; where it is nothing, what comes within `timeout_s`."""
        facts = []
        try:
            facts.append(self._queue.get(timeout=timeout_s) if timeout_s else self._queue.get_nowait())
            while len(facts) < _BATCH:
                facts.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return facts
