"""The real controller under the tests of the web and of the command line.

It is the stories' world without devices, in which no time passes: the real daemon over a real database and the link in
memory, behind the port that production has. What is asked of it is done before it is answered, with all that follows
from it, and its jobs end when a test says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any

from agent.link import Arrived
from agent.wire.messages import Status, encode
from agent.wire.topics import Leaf, topic
from controller.bootstrap import Port
from controller.core.intents import AddModel, Intent
from controller.core.nouns.job import JobState
from controller.core.nouns.model import Model
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.loop.facts import Asked, Fact, JobEnded, JobMoved, Question
from controller.pruning.job import JobResult
from controller.store import Tx
from tests.stories.world import ModelledJobs, World, write_spec

_BYTES = (b"a pruned net", b"a dense net")
SHA, DENSE = (hashlib.sha256(each).hexdigest() for each in _BYTES)
"""Two artifacts that are on every shelf, so that the loop may assign a variant of theirs."""


class HeldJobs(ModelledJobs):
    """None ends by itself, not even one that is stopped."""

    def due(self) -> list[Fact]:
        return []


class RealController(World):
    """`port` is what the web gets; `asked` are the intents that came by it, in order."""

    def __init__(self, tmp_path: Path) -> None:
        self.asked, self.warnings = list[Intent](), list[str]()
        self._turning = Condition()  # the web asks from threads of its own, several at a time
        super().__init__(tmp_path, Policy())
        for each in _BYTES:
            self.artifacts.put(each)
        self.tick()  # its link comes up

    def start_controller(self) -> None:
        self.jobs = HeldJobs(self)
        super().start_controller()
        self.daemon.enqueue = self._hear  # type: ignore[method-assign]
        self.port = Port(self.store, self.artifacts, self.daemon, self.clock, self.warnings)

    def put(self, write: Callable[[Tx], object]) -> None:
        """Write rows that are history to a test. What follows from them follows at the next thing that happens."""
        with self._turning:
            super().put(write)

    def wait_until(self, happened: Callable[[], object], limit_s: float = 20.0) -> None:
        """For a thread of a test beside the command that it runs; looked at after each turn."""
        with self._turning:
            assert self._turning.wait_for(happened, limit_s), f"not within {limit_s} s"

    def hear(self, message: Status, *, retained: bool = False) -> None:
        """What a device's link has brought."""
        self._happens(Arrived(topic(message.device, Leaf.STATUS), encode(message), retained=retained))

    # --- models and their jobs ---------------------------------------------------------------------------------------

    def add(self, name: str, dense: Variant | None = None) -> str:
        """A model by its spec; it is being measured, or has been as `dense`."""
        ref = self.ask(AddModel(str(write_spec(self.tmp_path, name))))
        if dense is not None:
            self.end(self.at_work, state=JobState.DONE, variant=dense)
        return ref

    def model(self, ref: str) -> Model:
        with self.store.read() as tx:
            found = tx.get_model(ref)
        assert found is not None
        return found

    @property
    def at_work(self) -> str:
        """The id of the one job that is running."""
        (job,) = self.jobs.running
        return job

    def move(self, job: str, share: float, text: str) -> None:
        assert job in self.jobs.running
        self._happens(JobMoved(job, share, text))

    def end(self, job: str, **result: Any) -> None:
        """A job that is running ends, with the fields of a `JobResult`."""
        with self._turning:
            del self.jobs.running[job]
            self._happens(JobEnded(job, JobResult(**result)))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _hear(self, fact: Fact) -> None:
        """Only the port comes by here: the link has another way in, and jobs are at their end when tests say so.

        To look is nothing that happens: what a test has written stays as it is.
        """
        assert isinstance(fact, Asked | Question)
        with self._turning:
            if isinstance(fact, Question):
                fact.answer.set_result(fact.look(self.daemon._fleet))
            else:
                self.asked.append(fact.intent)
                self._happens(fact)

    def _happens(self, fact: Fact) -> None:
        with self._turning:
            self._facts.append(fact)
            self.tick()
            while self.daemon._bulks.busy and not self.daemon.degraded:
                self.tick()
            self._turning.notify_all()


@contextmanager
def real_controller(tmp_path: Path) -> Iterator[RealController]:
    made = RealController(tmp_path)
    yield made
    made.store.close()
