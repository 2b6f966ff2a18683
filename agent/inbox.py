"""What waits for the thread that decides. Other threads put it here, and do nothing else."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator

from agent.link import Arrived, LinkEvent
from agent.runtimes import Runtimes
from agent.verifier import Verdict
from agent.wire.topics import is_block
from agent.workers import WorkerNews

BLOCKS = 16
PATIENCE_S = 0.2
"""For so long a block waits for room: the link's thread has other things to do as well."""

News = LinkEvent | WorkerNews | Verdict | Runtimes | None
"""None only wakes up."""

_log = logging.getLogger("agent")


class Inbox:
    """Holds whatever comes, but no more than `BLOCKS` blocks: an artifact may be larger than what memory there is."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._room = threading.Semaphore(BLOCKS)
        self._lets_go = False

    def put(self, news: News) -> None:
        self._queue.put(news)

    def hear(self, event: LinkEvent) -> None:
        """For the link, which is held back while blocks come faster than they are stored.

        What comes during a stall is let go of: it is asked for again.
        """
        if not _is_block(event):
            self._queue.put(event)
        elif self._room.acquire(timeout=PATIENCE_S):
            self._lets_go = False
            self._queue.put(event)
        elif not self._lets_go:
            self._lets_go = True
            _log.warning("event=blocks_let_go")

    def take(self, wait_s: float) -> News:
        """The next thing, None where none comes in time."""
        try:
            news = self._queue.get(block=wait_s > 0, timeout=wait_s)
        except queue.Empty:
            return None
        if _is_block(news):
            self._room.release()
        return news

    def rest(self) -> Iterator[News]:
        """All that waits by now."""
        for _ in range(self._queue.qsize()):
            yield self.take(0.0)


def _is_block(news: News) -> bool:
    return isinstance(news, Arrived) and is_block(news.topic)
