"""What the demo says while it works: a line whenever something changes, and at least one every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, TypeVar

from controller.cli.output import plain

T = TypeVar("T")
_QUIET_S = 10.0
_POLL_S = 0.5


class DemoFailed(Exception):
    """The story cannot go on, with why."""


class Teller:
    """Prints to `out`, each line with the seconds since the start."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._began = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        print(f"[{self.elapsed_s:4.0f} s] {plain(text)}", file=self._out, flush=True)

    def chapter(self, title: str) -> None:
        print(f"\n{title}", file=self._out, flush=True)

    def until(self, look: Callable[[], T | None], status: Callable[[], str], limit_s: float, what: str) -> T:
        """Poll `look` until it answers, saying `status` whenever it changes. Raises `DemoFailed` after `limit_s`."""
        deadline, told, told_at = time.monotonic() + limit_s, "", 0.0
        while True:
            answer = look()
            if answer is not None:
                return answer
            now = time.monotonic()
            if now > deadline:
                raise DemoFailed(f"{what}: not within {limit_s:.0f} s; last: {status()}")
            line = status()
            if (line != told and now - told_at > 1.0) or now - told_at > _QUIET_S:
                self.say(line)
                told, told_at = line, now
            time.sleep(_POLL_S)
