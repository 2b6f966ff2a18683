"""What a broker keeps for one client: its filters, what is on the way to it, and what waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from agent.link import Arrived


@dataclass(frozen=True, slots=True)
class Packet:
    """A message on its way, under the packet id by which it is acknowledged."""

    packet_id: int
    message: Arrived


class Session:
    """At most `window` messages are on the way unacknowledged. Up to `queue` wait behind them; of more, the newest are
    dropped. As with rumqttd, packet ids begin at 1 in each connection: one that was acknowledged late is another's."""

    def __init__(self, window: int, queue: int) -> None:
        self._window, self._queue = window, queue
        self._filters: set[str] = set()
        self._wild: list[str] = []
        self._sent: dict[int, Arrived] = {}
        self._waiting: deque[Arrived] = deque()
        self._packet_id = 0

    def subscribe(self, pattern: str) -> None:
        self._filters.add(pattern)
        self._wild = [each for each in sorted(self._filters) if "+" in each or "#" in each]

    def unsubscribe(self, patterns: Iterable[str]) -> None:
        self._filters.difference_update(patterns)
        self._wild = [each for each in self._wild if each in self._filters]

    def accepts(self, topic: str) -> bool:
        return topic in self._filters or any(matches(each, topic) for each in self._wild)

    def offer(self, message: Arrived) -> None:
        """Have a message wait for its turn, if there is room."""
        if len(self._waiting) < self._queue:
            self._waiting.append(message)

    def resume(self) -> None:
        """The client is back: what it has not acknowledged comes again, in the old order and before all else."""
        again = [replace(each, repeated=True) for each in self._sent.values()]
        self._waiting.extendleft(reversed(again))
        self._sent.clear()
        self._packet_id = 0

    def due(self) -> Iterator[Packet]:
        """What is to be sent now, as far as the window has room."""
        while self._waiting and len(self._sent) < self._window:
            self._packet_id += 1
            self._sent[self._packet_id] = self._waiting.popleft()
            yield Packet(self._packet_id, self._sent[self._packet_id])

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        for each in packet_ids:
            self._sent.pop(each, None)


def matches(pattern: str, topic: str) -> bool:
    """Does an MQTT filter (`+` one level, a trailing `#` the rest) match `topic`?"""
    levels, words = pattern.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels = levels[:-1]
        words = words[: len(levels)] if len(words) >= len(levels) else words
    return len(levels) == len(words) and all(level in ("+", word) for level, word in zip(levels, words, strict=True))
