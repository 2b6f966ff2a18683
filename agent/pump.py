"""An event loop of the size that a device can afford: connections, timers, and calls from other threads.

asyncio does the same and brings TLS with it, megabytes of a supervisor that has 30; `select()`, on which paho's own
loops stand, ends at descriptor 1,023.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
Ready = Callable[[int], None]
"""Called with what a socket is ready for: `READ`, `WRITE` or both."""


class Pump:
    """Everything is called on the thread that is in `turn`; only `soon` may be called from another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._soon: deque[Callable[[], None]] = deque()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._wake_read, self._wake_write = socket.socketpair()
        self._awake = False  # a wake-up is under way: a call into the kernel lets the other thread run first
        for each in (self._wake_read, self._wake_write):
            each.setblocking(False)
        self._selector.register(self._wake_read, READ, self._woken)

    def soon(self, call: Callable[[], None]) -> None:
        """Call once, in the next turn."""
        self._soon.append(call)
        if not self._awake:
            self._awake = True
            with contextlib.suppress(OSError):  # closed: no turn comes
                self._wake_write.send(b"\0")

    def later(self, wait_s: float, call: Callable[[], None]) -> None:
        """Call once, so many seconds from now."""
        heapq.heappush(self._due, (self._clock() + wait_s, next(self._count), call))

    def watch(self, sock: socket.socket, ready: Ready) -> None:
        """Call `ready` whenever there is something to read, from now on."""
        self._selector.register(sock, READ, ready)

    def writing(self, sock: socket.socket, *, on: bool) -> None:
        """Whether a watched socket is called for room to write too."""
        key = self._selector.get_key(sock)
        if bool(key.events & WRITE) is not on:
            self._selector.modify(sock, READ | (WRITE if on else 0), key.data)

    def forget(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)

    def turn(self, wait_s: float) -> None:
        """Call what is there to be called; where there is nothing, wait for it, at most so long."""
        for key, mask in self._selector.select(self._patience_s(wait_s)):
            key.data(mask)
        self._awake = False  # before looking what there is: who comes after that wakes the next turn
        for _ in range(len(self._soon)):
            self._soon.popleft()()
        while self._due and self._due[0][0] <= self._clock():
            heapq.heappop(self._due)[2]()

    def close(self) -> None:
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _patience_s(self, wait_s: float) -> float:
        if self._soon:
            return 0.0
        return max(0.0, min(wait_s, self._due[0][0] - self._clock())) if self._due else wait_s

    def _woken(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(4096)
