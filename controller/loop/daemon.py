"""The loop: drain what happened, write it down, decide, perform, send. It holds no rule of its own.

One thread does all of it and is the only writer of the database. A turn is one transaction: what happened, and what was
decided about it. What is to be sent leaves after its commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from agent.link import Arrived, Connected, Disconnected, Link
from controller.core.intents import Intent, IntentError
from controller.core.nouns.job import AT_WORK, JobState
from controller.core.pace import MOST_S, Cost, deciding_s
from controller.core.policy import Policy
from controller.core.presence import Presence, presence
from controller.core.retention import Retention
from controller.loop.blame import Blame
from controller.loop.blobs import Blobs
from controller.loop.broadcast import Broadcast
from controller.loop.bulks import BulkWorker
from controller.loop.changes import Change, Changes
from controller.loop.clock import Clock
from controller.loop.contacts import Contacts
from controller.loop.correction import correct
from controller.loop.dispatch import Dispatcher, Jobs
from controller.loop.eraser import Eraser
from controller.loop.expiry import Expiry
from controller.loop.facts import Asked, Fact, Question, Stop
from controller.loop.fleet import Fleet, load
from controller.loop.heard import Heard
from controller.loop.inbox import Inbox
from controller.loop.ledger import Ledger
from controller.loop.outage import Outage
from controller.loop.patrol import Patrol
from controller.loop.pauses import Pauses
from controller.loop.perform import Performer, Send
from controller.loop.settle import Settler
from controller.loop.take import Afterwards, Taker
from controller.loop.upkeep import Upkeep
from controller.loop.watch import Watch
from controller.store.artifacts import Artifacts
from controller.store.store import Store

log = logging.getLogger("hedgerow.daemon")
T = TypeVar("T")

_IDLE_S, _PUSHING_S = 0.5, 0.05


class Daemon:
    """`link_down` says why the broker is not reached; empty where all is well. `changes` and `figures` (how many there
    are of what) are of what is committed, for any thread. `policy` is what it goes by."""

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
        self._store, self._link, self._jobs, self.policy, self._clock = store, link, jobs, policy, clock
        self._inbox, self._watch = Inbox(), Watch()
        self._settler = Settler(performer, policy, self._watch)
        self._dispatcher = Dispatcher(store, link, jobs, policy, clock, self._watch)
        self._bulks = BulkWorker(store)
        self._broadcast = Broadcast(link, Blobs(store, artifacts), clock.steady_s)
        self._eraser = Eraser(link)
        self._taker = Taker(link, artifacts, self._broadcast, self._eraser, performer, self._link_moved)
        self._outage = Outage(clock.steady_s, self._taker.ask_again)
        self._blame = Blame(self._written, self._follow, self._refused, self._settler, self._bulks, self._outage)
        self._heard = Heard(store, clock, self._tell)
        self._contacts = Contacts(policy)
        self._slice_s, self._cost, self._began_s, self._decided_s = MOST_S, Cost(), 0.0, 0.0
        self._now_unix_s = 0.0
        self._stopping = False
        self._patrol, self.missed_timers = Patrol(), 0
        self._pauses = Pauses(clock.steady_s)
        expiry = Expiry(store, retention or Retention(), policy.windows_seen, self._tell)
        self._upkeep = Upkeep(store, expiry, clock.steady_s)
        self.link_down = "not connected yet"
        self.changes, self.figures = Changes(), dict[str, int]()

    def enqueue(self, fact: Fact) -> None:
        """The one way in, from any thread."""
        self._inbox.put(fact)

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
            self._heard.remember(tx)
            self._upkeep.remember(tx)
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
            self._fleet: Fleet = load(tx, self.policy)
        self._fleet.contacts = self._contacts
        self._begin_anew()

    def run(self) -> None:
        """Turn until `Stop`; then end the jobs and the link. Raises `ClaimedError` where another controller has got the
        database."""
        self.start()
        self._pauses.watch()
        try:
            while not self._stopping:
                self.turn(self._inbox.drain(self._patience_s()))
            self._heard.write(self._fleet)
        finally:
            self._pauses.end()
            self._jobs.stop()
            self._link.stop()
        log.info("event=stopped")

    def turn(self, facts: Iterable[Fact]) -> None:
        """One turn. While the database cannot be written facts wait, and who asks is told so at once."""
        questions, happened = list[Question](), self._outage.waited()
        for fact in facts:
            if isinstance(fact, Question):
                questions.append(fact)
            else:
                happened.append(fact)
        self._stopping = self._stopping or Stop() in happened
        if self._outage.pauses:
            self._outage.wait(happened)
        else:
            self._blame.attempt(happened)
        self._contacts.tick(self._clock.steady_s())
        self._count()
        for each in questions:
            _answer(each, self._fleet)
        self._broadcast.go_on(self.enqueue)
        self._eraser.go_on(self._fleet.devices, self.enqueue)

    def _written(self, facts: list[Fact], *, bulks: bool = True) -> tuple[list[Afterwards], list[Send]]:
        """Take the facts, go on with what was asked of many, decide, and commit all; what is left to do then."""
        self._correct_clock()
        self._began_s = self._clock.steady_s()
        ledger, self._now_unix_s = self._ledger(), self._clock.now()
        afterwards = [each for fact in facts for each in self._taker.take(ledger, fact, self._now_unix_s)]
        taken_s = self._clock.steady_s()
        self._slice_s = slice_s = deciding_s(self._slice_s, self._cost)

        def enough(share: float = 1.0) -> bool:
            return self._clock.steady_s() - taken_s > share * slice_s

        if bulks:  # for half of it: what was asked of many is not to keep all others waiting
            self._bulks.work(ledger, self._now_unix_s, lambda: enough(0.5))
        sends = self._settler.settle(ledger, self._now_unix_s, enough)
        self._decided_s = self._clock.steady_s() - taken_s
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
        self._heard.write_now_and_then(self._fleet)
        self._watch.wake(self._upkeep.turn(self._fleet, self._ledger, self._now_unix_s))
        self._patrol_on()
        self._cost = Cost(self._decided_s, self._clock.steady_s() - self._began_s)

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._count()
            self.changes.tell(change)

    def _count(self) -> None:
        census, pauses = self._fleet.census, {"pauses": self._pauses.count}
        self.figures = census.figures() | self._contacts.figures(census.devices.total()) | pauses

    def _begin_anew(self) -> None:
        """The fleet was read from the database: whatever was derived from it is derived anew."""
        self._fleet.linked_unix_s = self._heard.linked.since_unix_s
        self._count()
        self.changes.begin(self._fleet.commit)
        self._settler.forget(self._ledger())

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
        return Ledger(self._fleet, self._store, self.policy, self._clock.steady_s())

    # --- what may go wrong -------------------------------------------------------------------------------------------

    def _acknowledge(self, facts: list[Fact]) -> None:
        """What is written need not come again."""
        self._link.acknowledge([each.token for each in facts if isinstance(each, Arrived) and each.token is not None])

    def _refused(self, fact: Fact, error: Exception) -> None:
        """It is left out; but that the link moved has nothing in it to refuse, and whatever hangs on it has to come."""
        if isinstance(fact, Connected | Disconnected):
            self._blame.cannot_write([fact], error)
            return
        log.error("event=refused fact=%r reason=%r", fact, str(error))
        if isinstance(fact, Arrived):
            try:
                with self._store.begin() as tx:
                    reason = f"the controller cannot keep it: {error}"
                    tx.add_dead_letter(fact.topic, fact.payload, reason, self._clock.now())
            except SQLAlchemyError as full:
                self._blame.cannot_write([fact], full)
                return
        elif isinstance(fact, Asked):
            fact.answer.set_exception(IntentError(500, f"the controller cannot keep it: {error}"))
        self._acknowledge([fact])

    def _correct_clock(self) -> None:
        if step_s := self._clock.step_s():
            self._fleet = correct(self._store, self._clock, self.policy, self._fleet, step_s)
            self._upkeep.clock_stepped(step_s)
            self._heard.linked.step(step_s)
            self._begin_anew()

    # --- in and out --------------------------------------------------------------------------------------------------

    def _patience_s(self) -> float:
        if (self._watch.busy or self._bulks.busy) and not self.degraded:
            return 0.0
        return _PUSHING_S if self._broadcast.push.busy else _IDLE_S

    @property
    def degraded(self) -> str:
        """Why nothing can be written at present; empty where all is well."""
        return self._outage.reason

    @property
    def troubles(self) -> list[str]:
        """What is wrong with the controller itself, in words; from any thread."""
        link = f"the broker is not reached: {self.link_down}" if self.link_down else ""
        return [each for each in (self.degraded, link) if each]

    def presence(self, device: str) -> Presence:
        """Whether it is there; from any thread."""
        return presence(self._contacts.get(device), self.policy, self._clock.steady_s())

    def _link_moved(self, reason: str) -> None:
        """It went down for a `reason`, or came up. Then nobody knows what the broker still has: what was sent and not
        answered is sent again."""
        self.link_down = reason
        linked = self._heard.linked
        move = linked.down if reason else linked.up
        move(self._clock.now())
        self._fleet.linked_unix_s = linked.since_unix_s
        if reason:
            return
        self._fleet.sent_unix_s.clear()
        self._watch.wake_later(self._fleet.desired)


def _answer(question: Question, fleet: Fleet) -> None:
    """Whatever goes wrong with it is the asker's."""
    if question.answer.set_running_or_notify_cancel():
        try:
            question.answer.set_result(question.look(fleet))
        except Exception as error:
            question.answer.set_exception(error)
