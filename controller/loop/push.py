"""Artifact blocks to devices: each needed block is broadcast once for everybody who shares the variant.

Devices say which blocks they lack; what several say within a moment is merged. A PUBACK only proves that the broker has
a block, so the pace is bounded by what it has not confirmed, and what got lost is asked for again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

IN_FLIGHT = 16
MERGE_S = 0.25
REPEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class Block:
    sha256: str
    index: int


class Push:
    """What is still to be broadcast. No I/O: `take` says what to publish now, `delivered` makes room."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Block, float] = OrderedDict()
        self._sent_at: dict[Block, float] = {}
        self._in_flight: set[int] = set()

    def need(self, sha256: str, missing: Iterable[int], now_s: float) -> None:
        """A device lacks these blocks. One that went out a moment ago is on its way to it already."""
        for index in missing:
            block = Block(sha256, index)
            if now_s - self._sent_at.get(block, -REPEAT_S) >= REPEAT_S:
                self._waiting.setdefault(block, now_s + MERGE_S)

    def take(self, now_s: float) -> list[Block]:
        """The blocks to publish now, oldest need first, as many as may be unconfirmed at once."""
        room = IN_FLIGHT - len(self._in_flight)
        ready = [block for block, due in self._waiting.items() if due <= now_s][: max(room, 0)]
        for block in ready:
            del self._waiting[block]
            self._sent_at[block] = now_s
        return ready

    def drop(self, sha256: str) -> None:
        """Nothing of this artifact is to be had."""
        for block in [each for each in self._waiting if each.sha256 == sha256]:
            del self._waiting[block]

    def sent(self, token: int | None) -> None:
        """A block was handed to the link under `token`; None: the link is down, its receivers will ask again."""
        if token is not None:
            self._in_flight.add(token)

    def delivered(self, token: int) -> None:
        self._in_flight.discard(token)

    def link_lost(self) -> None:
        self._waiting.clear()
        self._sent_at.clear()
        self._in_flight.clear()

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def forget_old(self, now_s: float) -> None:
        """Drop the memory of what went out long ago, so that it does not grow with every artifact."""
        self._sent_at = {block: at for block, at in self._sent_at.items() if now_s - at < REPEAT_S}
