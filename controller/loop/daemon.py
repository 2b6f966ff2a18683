"""The loop: drain what happened, write it down, decide, perform, send. It holds no rule of its own.

One thread does all of it and is the only writer of the database. A turn is one transaction: what happened, and what was
decided about it. What is to be sent leaves after its commit.
"""

from __future__ import annotations

import gc
import logging
import math
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from agent.link import Arrived, Link
from controller.core.intents import Intent, IntentError
from controller.core.nouns.job import AT_WORK, JobState
from controller.core.policy import Policy
from controller.core.presence import Presence, presence
from controller.core.retention import Retention
from controller.loop.blobs import Blobs
from controller.loop.broadcast import Broadcast
from controller.loop.bulks import BulkWorker
from controller.loop.changes import Change, Changes
from controller.loop.clock import Clock
from controller.loop.contacts import Contacts
from controller.loop.dispatch import Dispatcher, Jobs
from controller.loop.eraser import Eraser
from controller.loop.expiry import Expiry
from controller.loop.facts import Asked, Fact, Question, Stop, without_repeats
from controller.loop.fleet import Fleet, load
from controller.loop.ledger import Ledger
from controller.loop.linked import Linked
from controller.loop.patrol import Patrol
from controller.loop.perform import Performer, Send
from controller.loop.settle import Settler
from controller.loop.take import Afterwards, Taker
from controller.loop.upkeep import Upkeep
from controller.loop.watch import Watch
from controller.store.artifacts import Artifacts
from controller.store.store import Store
from controller.store.tx import Tx

log = logging.getLogger("hedgerow.daemon")
T = TypeVar("T")

_IDLE_S, _PUSHING_S = 0.5, 0.05
_BATCH = 2000
_SLICE_S = 0.05  # of deciding in one turn: whoever comes meanwhile is heard after it
_AGAIN_S = 1.0  # until the next try where the database could not be written, or the link took nothing
_LINKED = "linked"  # as which single fact the database has since when the link is up
_REMEMBER_S = 20.0  # at most, between two times that this is written down
_SEEN_S = 2.0  # by how much the database may be behind in when devices were last heard of
_TOLD = 500  # devices in one change, where it is only that they were heard of: nobody is sent more at once


class Daemon:
    """`degraded` says why nothing can be written at present, `link_down` why the broker is not reached; empty where all
    is well. `changes` and `figures` (how many there are of what) are of what is committed, for any thread."""

    def __init__(
        self,
        *,
        store: Store,
        artifacts: Artifacts,
        link: Link,
        jobs: Jobs,
        performer: Performer,
        policy: Policy,
        clock: Clock,
        retention: Retention | None = None,
    ) -> None:
        self._store, self._link, self._jobs, self._policy, self._clock = store, link, jobs, policy, clock
        self._queue = queue.SimpleQueue[Fact]()
        self._watch = Watch()
        self._settler = Settler(performer, policy, self._watch)
        self._dispatcher = Dispatcher(store, link, jobs, policy, clock, self._watch)
        self._bulks = BulkWorker(store)
        self._broadcast = Broadcast(link, Blobs(store, artifacts), clock.steady_s)
        self._eraser = Eraser(link)
        self._taker = Taker(link, artifacts, self._broadcast, self._eraser, performer, self._link_moved)
        self._contacts = Contacts(policy)
        self._linked, self._linked_unix_s = Linked(), 0.0
        self._waiting: list[Fact] = []
        self._again_s = self._seen_s = -math.inf
        self._now_unix_s = 0.0
        self._stopping = False
        self._patrol, self.missed_timers = Patrol(), 0
        expiry = Expiry(store, retention or Retention(), policy.windows_seen, self._tell)
        self._upkeep = Upkeep(store, expiry, clock.steady_s)
        self.degraded, self.link_down = "", "not connected yet"
        self.changes, self.figures = Changes(), dict[str, int]()

    def enqueue(self, fact: Fact) -> None:
        """The one way in, from any thread."""
        self._queue.put(fact)

    def ask(self, intent: Intent) -> Future[str]:
        """Hand an operator's intent to the loop; the future gets the answer or an `IntentError`."""
        future: Future[str] = Future()
        self.enqueue(Asked(intent, future))
        return future

    def look(self, look: Callable[[Fleet], T]) -> Future[T]:
        """What `look` finds in the fleet as it is committed; it may keep nothing of it that changes."""
        future: Future[T] = Future()
        self.enqueue(Question(look, future))
        return future

    def start(self) -> None:
        """Take up where the last run ended: its running jobs wait again."""
        with self._store.begin() as tx:
            self._linked = Linked.remembered(tx.get_meta(_LINKED))
            at_work = tx.jobs(*AT_WORK)
            for job in at_work:
                tx.put_job(replace(job, state=JobState.QUEUED, attempts=max(job.attempts - 1, 0)))
            tx.number_commit(tx.commit_number() + 1)  # nobody is known to be there: who watches begins anew
        self.reload()
        self._eraser.erase(each.device for each in self._fleet.forgotten.values() if not each.cleared)
        self._link.start(self.enqueue)

    def reload(self) -> None:
        """Read the fleet from the database, and look at every device."""
        with self._store.read() as tx:
            self._fleet: Fleet = self._load(tx)
        self._begin_anew()

    def _load(self, tx: Tx) -> Fleet:
        fleet = load(tx, self._policy)
        fleet.contacts, fleet.linked_unix_s = self._contacts, self._linked.since_unix_s
        return fleet

    def run(self) -> None:
        """Turn until `Stop`; then end the jobs and the link."""
        self.start()
        gc.freeze()  # else each full collection looks at the whole fleet again
        while not self._stopping:
            self.turn(self._drain(self._patience_s()))
        self._write_seen()
        self._jobs.stop()
        self._link.stop()
        log.info("event=stopped")

    def turn(self, facts: Iterable[Fact]) -> None:
        """One turn. While the database cannot be written facts wait, and who asks is told so at once."""
        questions, happened = list[Question](), [*self._waiting]
        for fact in facts:
            if isinstance(fact, Question):
                questions.append(fact)
            else:
                happened.append(fact)
        self._stopping = self._stopping or Stop() in happened
        self._waiting = []
        if self.degraded and self._clock.steady_s() < self._again_s:
            self._wait(happened)
        else:
            self._attempt(happened)
        self._contacts.tick(self._clock.steady_s())
        self._count()
        for each in questions:
            _answer(each, self._fleet)
        self._broadcast.go_on(self.enqueue)
        self._eraser.go_on(self._fleet.devices, self.enqueue)

    def _attempt(self, facts: list[Fact], *, connected_anew: bool = False) -> None:
        """What is refused for good is found by halves and left out: all others would wait for it.

        A connection that the database has ended is only noticed when it is used: the next one is tried at once.
        """
        try:
            afterwards, sends = self._written(facts)
        except PoolTimeoutError as error:  # whoever reads has all connections
            self._cannot_write(facts, error)
        except OperationalError as error:
            if error.connection_invalidated and not connected_anew:
                log.error("event=database_error reason=%r", str(error.orig))
                self._settler.undone()
                self._attempt(facts, connected_anew=True)
            else:
                self._cannot_write(facts, error)
        except Exception as error:  # a driver's own, or a fault of ours: the controller of all goes on
            log.exception("event=unforeseen facts=%d", len(facts))
            self._settler.undone()
            self._leave_out(facts, error, doubtful=self._bulks.doubt(error))
        else:
            self._can_write()
            self._follow(facts, afterwards, sends)

    def _written(self, facts: list[Fact], *, bulks: bool = True) -> tuple[list[Afterwards], list[Send]]:
        """Take the facts, go on with what was asked of many, decide, and commit all; what is left to do then."""
        self._correct_clock()
        ledger, self._now_unix_s = self._ledger(), self._clock.now()
        afterwards = [each for fact in facts for each in self._taker.take(ledger, fact, self._now_unix_s)]
        began_s = self._clock.steady_s()

        def enough() -> bool:
            return self._clock.steady_s() - began_s > _SLICE_S

        if bulks:
            self._bulks.work(ledger, self._now_unix_s, enough)
        sends = self._settler.settle(ledger, self._now_unix_s, enough)
        self._tell(ledger.commit(even_if_empty=bool(self.degraded)))
        afterwards.append(lambda: self._eraser.erase(ledger.forgotten_now))
        afterwards.append(lambda: self._link.tell(ledger.answers))
        return afterwards, sends

    def _follow(self, facts: list[Fact], afterwards: list[Afterwards], sends: list[Send]) -> None:
        self._acknowledge(facts)
        for each in afterwards:
            each()
        for send in sends:
            self._dispatcher.send(self._fleet, send)
        self._write_seen_now_and_then()
        self._watch.wake(self._upkeep.turn(self._fleet, self._ledger, self._now_unix_s))
        self._patrol_on()

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._count()
            self.changes.tell(change)

    def _count(self) -> None:
        census = self._fleet.census
        self.figures = census.figures() | self._contacts.figures(census.devices.total())

    def _begin_anew(self) -> None:
        """The fleet was read from the database: whatever was derived from it is derived anew."""
        self._count()
        self.changes.begin(self._fleet.commit)
        self._settler.forget(self._ledger())

    def _leave_out(self, facts: list[Fact], error: Exception, *, doubtful: bool) -> None:
        """Without any fact, and without what was asked of many, does a turn go through? Else none of it is to blame.

        Where some of the latter is `doubtful`, less of it is tried before any fact is refused.
        """
        try:
            if not facts and not doubtful:
                raise error
            afterwards, sends = self._written([], bulks=False)
        except Exception as still:
            self._cannot_write(facts, still)
            return
        self._follow([], afterwards, sends)
        if len(facts) == 1 and not doubtful:
            self._refused(facts[0], error)
        elif len(facts) == 1:
            self._attempt(facts)
        elif facts:
            self._attempt(facts[: len(facts) // 2])
            self._attempt(facts[len(facts) // 2 :])

    def _patrol_on(self) -> None:
        """A device that nobody woke is a fault of ours: it is looked at all the same, and told of."""
        devices = self._fleet.devices
        round_ = self._patrol.next(devices, len(devices), self._clock.steady_s())
        for device in self.overlooked(round_):
            self.missed_timers += 1
            log.error("event=missed_timer device=%s", device)
            self._watch.wake([device])

    def overlooked(self, devices: Iterable[str]) -> list[str]:
        """Of these the ones about which there is something to do though nobody woke them; there must be none."""
        return self._settler.overlooked(self._ledger(), self._now_unix_s, devices)

    def miscounted(self) -> list[str]:
        """The rollouts whose counts are not those of their members; there must be none."""
        return self._settler.miscounted(self._ledger())

    def _ledger(self) -> Ledger:
        return Ledger(self._fleet, self._store, self._policy, self._clock.steady_s())

    # --- what may go wrong -------------------------------------------------------------------------------------------

    def _cannot_write(self, facts: list[Fact], error: Exception) -> None:
        reason, what = error, "nothing can be written down"
        if isinstance(error, DBAPIError):
            reason, what = error.orig or error, "the database cannot be written"
        log.error("event=database_error reason=%r", str(reason))
        self.degraded = f"{what}: {reason}"
        self._again_s = self._clock.steady_s() + _AGAIN_S
        self._settler.undone()
        self._wait(facts)

    def _can_write(self) -> None:
        """By now all that waited is written; of what found no room in the broker meanwhile the newest is asked for."""
        if self.degraded:
            log.info("event=database_back after=%r", self.degraded)
            self.degraded = ""
            self._taker.ask_again()

    def _acknowledge(self, facts: list[Fact]) -> None:
        """What is written need not come again."""
        self._link.acknowledge([each.token for each in facts if isinstance(each, Arrived) and each.token is not None])

    def _wait(self, facts: list[Fact]) -> None:
        """Facts wait; operators do not, and what they asked for is not done later behind their backs."""
        for fact in facts:
            if isinstance(fact, Asked):
                fact.answer.set_exception(IntentError(503, f"nothing was changed: {self.degraded}"))
            else:
                self._waiting.append(fact)
        self._waiting = without_repeats(self._waiting)

    def _refused(self, fact: Fact, error: Exception) -> None:
        log.error("event=refused fact=%r reason=%r", fact, str(error))
        if isinstance(fact, Arrived):
            try:
                with self._store.begin() as tx:
                    reason = f"the controller cannot keep it: {error}"
                    tx.add_dead_letter(fact.topic, fact.payload, reason, self._clock.now())
            except SQLAlchemyError as full:
                self._cannot_write([fact], full)
                return
        elif isinstance(fact, Asked):
            fact.answer.set_exception(IntentError(500, f"the controller cannot keep it: {error}"))
        self._acknowledge([fact])

    def _correct_clock(self) -> None:
        """The host's clock has jumped: follow it, with all that durations are still measured from."""
        step_s = self._clock.step_s()
        if not step_s:
            return
        log.warning("event=clock_corrected by_s=%.0f", step_s)
        with self._store.begin() as tx:
            tx.saw_devices(self._fleet.seen)
            tx.restamp(self._clock.now() - self._policy.longest_s, step_s)
            tx.put_meta("clock", self._clock.memory(step_s))
            tx.number_commit(self._fleet.commit + 1)
            fleet = self._load(tx)
        self._clock.step(step_s)
        self._upkeep.clock_stepped(step_s)
        self._linked.step(step_s)
        fleet.linked_unix_s = self._linked.since_unix_s
        fleet.sent_unix_s = {device: sent_s + step_s for device, sent_s in self._fleet.sent_unix_s.items()}
        self._fleet = fleet
        self._begin_anew()

    # --- in and out --------------------------------------------------------------------------------------------------

    def _patience_s(self) -> float:
        if (self._watch.busy or self._bulks.busy) and not self.degraded:
            return 0.0
        return _PUSHING_S if self._broadcast.push.busy else _IDLE_S

    def _drain(self, timeout_s: float) -> list[Fact]:
        facts = []
        try:
            facts.append(self._queue.get(timeout=timeout_s) if timeout_s else self._queue.get_nowait())
            while len(facts) < _BATCH:
                facts.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return facts

    @property
    def troubles(self) -> list[str]:
        """What is wrong with the controller itself, in words; from any thread."""
        link = f"the broker is not reached: {self.link_down}" if self.link_down else ""
        return [each for each in (self.degraded, link) if each]

    def presence(self, device: str) -> Presence:
        """Whether it is there; from any thread."""
        return presence(self._contacts.get(device), self._policy, self._clock.steady_s())

    def _link_moved(self, reason: str) -> None:
        """It went down for a `reason`, or came up. Then nobody knows what the broker still has: what was sent and not
        answered is sent again."""
        self.link_down = reason
        move = self._linked.down if reason else self._linked.up
        move(self._clock.now())
        self._fleet.linked_unix_s = self._linked.since_unix_s
        if reason:
            return
        self._fleet.sent_unix_s.clear()
        self._watch.wake_later(self._fleet.desired)

    def _write_seen_now_and_then(self) -> None:
        now_s = self._clock.steady_s()
        if now_s - self._seen_s >= _SEEN_S:
            self._seen_s = now_s
            self._write_seen()

    def _write_seen(self) -> None:
        """Who was heard of, and since when our link is up; that also where nobody is, as deadlines wait for the silent.

        Where it fails now it is written later: nothing hangs on it. Who watches is told of it then, too, and of those
        whose presence has changed.
        """
        fleet, now_unix_s = self._fleet, self._clock.now()
        memory, moved = self._linked.memory(now_unix_s), [*(fleet.seen | self._contacts.moved)]
        if not moved and (memory is None or now_unix_s - self._linked_unix_s < _REMEMBER_S):
            return
        try:
            told = [moved[at : at + _TOLD] for at in range(0, len(moved), _TOLD)]
            with self._store.begin() as tx:
                tx.saw_devices(fleet.seen)
                tx.number_commit(fleet.commit + len(told))
                if memory is not None:
                    tx.put_meta(_LINKED, memory)
            self._linked_unix_s = now_unix_s
            for each in told:
                fleet.commit += 1
                self._tell(Change(fleet.commit, (*each,)))
            fleet.seen.clear()
            self._contacts.moved.clear()
        except SQLAlchemyError as error:
            log.error("event=database_error reason=%r", str(error))


def _answer(question: Question, fleet: Fleet) -> None:
    """Whatever goes wrong with it is the asker's."""
    if question.answer.set_running_or_notify_cancel():
        try:
            question.answer.set_result(question.look(fleet))
        except Exception as error:
            question.answer.set_exception(error)
