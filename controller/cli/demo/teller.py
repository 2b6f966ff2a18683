"""What the demo says while it works: a line whenever something changes, and at least one every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, TypeVar

from controller.cli.output import plain

T = TypeVar("T")
_QUIET_S = 8.0  # with a slow answer or two still under ten
_BREATH_S = 3.0
_POLL_S = 0.5


class DemoFailed(Exception):
    """The story cannot go on, with why."""


class Teller:
    """Prints to `out`, each line with the seconds since the start, under `chapters` numbered titles.

    `clock` gives seconds and never jumps; `sleep` waits for some.
    """

    def __init__(
        self,
        out: IO[str],
        chapters: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._out, self._chapters, self._clock, self._sleep = out, chapters, clock, sleep
        self._began, self._chapter = clock(), 0

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._began

    def say(self, text: str) -> None:
        print(f"[{self.elapsed_s:4.0f} s] {plain(text)}", file=self._out, flush=True)

    def chapter(self, title: str) -> None:
        self._chapter += 1
        print(f"\n{self._chapter}/{self._chapters}. {title}", file=self._out, flush=True)

    def until(self, look: Callable[[], T | None], status: Callable[[], str], limit_s: float, what: str) -> T:
        """Poll `look` until it answers, saying `status` when it changes. Raises `DemoFailed` after `limit_s`."""
        began, told, told_at = self._clock(), "", float("-inf")
        since = began
        while True:
            answer = look()
            if answer is not None:
                return answer
            now, line = self._clock(), status()
            if now - began > limit_s:
                raise DemoFailed(f"{what}: not within {limit_s:.0f} s; last: {line}")
            if line != told and now - told_at > _BREATH_S:
                self.say(line)
                told, told_at, since = line, now, now
            elif now - told_at > _QUIET_S:
                self.say(f"{line} (for {now - since:.0f} s)")
                told_at = now
            self._sleep(_POLL_S)
