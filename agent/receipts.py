"""What arrived over the present connection and is not acknowledged yet.

A broker uses a packet id again once it was acknowledged, and numbers anew after a reconnect: an acknowledgement that is
late would confirm another message, which nobody has stored. So each message gets a token that is never given again.
MQTT wants acknowledgements in the order of receipt (4.6). rumqttd ends the connection at one that is out of order, and
takes the oldest message for acknowledged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Receipts:
    """Packet ids in order of receipt, each under its token."""

    def __init__(self) -> None:
        self._open: deque[tuple[int, int]] = deque()
        self._confirmed: set[int] = set()
        self._newest = 0

    def take(self, packet_id: int) -> int:
        """A message arrived; returns its token."""
        self._newest += 1
        self._open.append((self._newest, packet_id))
        return self._newest

    def confirm(self, tokens: Iterable[int]) -> list[int]:
        """Returns the packet ids that may be acknowledged by now: those before which nothing is open."""
        oldest = self._open[0][0] if self._open else self._newest + 1
        self._confirmed.update(token for token in tokens if token >= oldest)
        left: list[int] = []
        while self._open and self._open[0][0] in self._confirmed:
            token, packet_id = self._open.popleft()
            self._confirmed.remove(token)
            left.append(packet_id)
        return left

    def forget(self) -> None:
        """The connection is over: no token given until now confirms anything."""
        self._open.clear()
        self._confirmed.clear()
