"""While the database cannot be written: facts wait, and who asks for something is told so at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable

from sqlalchemy.exc import DBAPIError

from controller.core.intents import IntentError
from controller.loop.facts import Asked, Fact, without_repeats

log = logging.getLogger("hedgerow.outage")

_AGAIN_S = 1.0  # until the next try


class Outage:
    """`reason` is why nothing can be written at present; empty where all is well. `back` hears that it is over."""

    def __init__(self, steady_s: Callable[[], float], back: Callable[[], None]) -> None:
        self._steady_s, self._back = steady_s, back
        self._waiting, self._again_s = list[Fact](), -math.inf
        self.reason = ""

    @property
    def pauses(self) -> bool:
        """It was there a moment ago: the next try is still to come."""
        return bool(self.reason) and self._steady_s() < self._again_s

    def begin(self, facts: Iterable[Fact], error: Exception) -> None:
        """Or go on. What was to be written are these facts."""
        reason, what = error, "nothing can be written down"
        if isinstance(error, DBAPIError):
            reason, what = error.orig or error, "the database cannot be written"
        log.error("event=database_error reason=%r", str(reason))
        self.reason = f"{what}: {reason}"
        self._again_s = self._steady_s() + _AGAIN_S
        self.wait(facts)

    def end(self) -> None:
        """Something is written again; of what found no room in the broker meanwhile the newest is asked for."""
        if self.reason:
            log.info("event=database_back after=%r", self.reason)
            self.reason = ""
            self._back()

    def wait(self, facts: Iterable[Fact]) -> None:
        """Facts wait; operators do not, and what they asked for is not done later behind their backs."""
        for fact in facts:
            if isinstance(fact, Asked):
                fact.answer.set_exception(IntentError(503, f"nothing was changed: {self.reason}"))
            else:
                self._waiting.append(fact)
        self._waiting = without_repeats(self._waiting)

    def waited(self) -> list[Fact]:
        """What waited, to be tried again; it waits no more."""
        waiting, self._waiting = self._waiting, []
        return waiting
