"""Full collections of garbage: each looks at all that lives, and with a large fleet that is a pause.

What has survived one is the fleet, and hardly garbage. It is set aside then, and the next ones need not look at it.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger("hedgerow.pauses")

_LONG_S = 0.02
_FULL = 2  # the generation of everything that a collection looks at


class Pauses:
    """`count` are those that were long, `longest_s` is the longest of all; for any thread."""

    def __init__(self, steady_s: Callable[[], float]) -> None:
        self._steady_s, self._began_s = steady_s, 0.0
        self.count, self.longest_s = 0, 0.0

    def watch(self) -> None:
        """From now on, and all that there is by now is set aside."""
        gc.freeze()
        gc.callbacks.append(self._collecting)

    def end(self) -> None:
        gc.callbacks.remove(self._collecting)

    def _collecting(self, phase: str, about: Mapping[str, Any]) -> None:
        if about["generation"] < _FULL:
            return
        if phase == "start":
            self._began_s = self._steady_s()
            return
        took_s = self._steady_s() - self._began_s
        self.longest_s = max(self.longest_s, took_s)
        if took_s > _LONG_S:
            gc.freeze()
            self.count += 1
            log.info("event=paused for_s=%.3f", took_s)
