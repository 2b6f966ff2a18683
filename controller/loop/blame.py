"""Has facts written down. Where that fails, it finds which of them is to blame, as all others would wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from controller.loop.bulks import BulkWorker
from controller.loop.facts import Fact
from controller.loop.outage import Outage
from controller.loop.perform import Send
from controller.loop.settle import Settler
from controller.loop.take import Afterwards
from controller.store.errors import ClaimedError

log = logging.getLogger("hedgerow.blame")


class Write(Protocol):
    def __call__(self, facts: list[Fact], *, bulks: bool = True) -> tuple[list[Afterwards], list[Send]]:
        """All of a turn in one transaction, with some of what was asked of many or without; what is left to do then."""


class Blame:
    """`follow` does what is left to do once it is written; `refuse` hears of a fact that is left out, and why."""

    def __init__(
        self,
        write: Write,
        follow: Callable[[list[Fact], list[Afterwards], list[Send]], None],
        refuse: Callable[[Fact, Exception], None],
        settler: Settler,
        bulks: BulkWorker,
        outage: Outage,
    ) -> None:
        self._write, self._follow, self._refuse = write, follow, refuse
        self._settler, self._bulks, self._outage = settler, bulks, outage

    def attempt(self, facts: list[Fact], *, bulks: bool = True, connected_anew: bool = False) -> None:
        """A connection that the database has ended is only noticed when it is used: the next one is tried at once."""
        self._bulks.took, failed = 0, None
        try:
            afterwards, sends = self._write(facts, bulks=bulks)
        except ClaimedError:  # this controller is at its end
            raise
        except PoolTimeoutError as error:  # whoever reads has all connections
            self.cannot_write(facts, error)
        except OperationalError as error:
            if error.connection_invalidated and not connected_anew:
                log.error("event=database_error reason=%r", str(error.orig))
                self._settler.undone()
                self.attempt(facts, bulks=bulks, connected_anew=True)
            else:
                self.cannot_write(facts, error)
        except Exception as error:  # a driver's own, or a fault of ours: the controller of all goes on
            log.exception("event=unforeseen facts=%d", len(facts))
            self._settler.undone()
            failed = error
        else:
            self._outage.end()
            self._follow(facts, afterwards, sends)
        if failed is not None:
            self._find(facts, failed, bulks=bulks, took=self._bulks.took)

    def cannot_write(self, facts: list[Fact], error: Exception) -> None:
        """None of these is to blame: they wait."""
        self._settler.undone()
        self._outage.begin(facts, error)

    def _find(self, facts: list[Fact], error: Exception, *, bulks: bool, took: int) -> None:
        """Facts are tried without what was asked of many, of which the turn `took` some, and that without any facts: so
        neither is blamed for the other. What is to blame is found by halves and left out."""
        if facts and took:
            self.attempt(facts, bulks=False)
            if not self._outage.pauses:
                self.attempt([])
        elif not self._goes_without(facts, error, took=took):
            return
        elif took:
            self._bulks.blame(took, error)
        elif len(facts) == 1:
            self._refuse(facts[0], error)
        else:
            self._in_turn(facts[: len(facts) // 2], facts[len(facts) // 2 :], bulks=bulks)

    def _in_turn(self, first: list[Fact], second: list[Fact], *, bulks: bool) -> None:
        """What came later waits for what came before."""
        self.attempt(first, bulks=bulks)
        if self._outage.pauses:
            self._outage.wait(second)
        else:
            self.attempt(second, bulks=bulks)

    def _goes_without(self, facts: list[Fact], error: Exception, *, took: int) -> bool:
        """Whether a turn goes through without any of it. If not, none of it is to blame."""
        try:
            if not facts and not took:
                raise error
            afterwards, sends = self._write([], bulks=False)
        except Exception as still:
            self.cannot_write(facts, still)
            return False
        self._follow([], afterwards, sends)
        return True
