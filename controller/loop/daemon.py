"""The loop: drain what happened, record it, decide, perform, send. It holds no rule of its own.

One thread does all of it and is the only writer of the database. A turn is one transaction for the facts, then one for
each round of decisions until nothing is left to do; what is to be sent leaves after each commit.
"""

from __future__ import annotations

import logging
import math
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Protocol, assert_never

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from agent.link import Arrived, Connected, Delivered, Disconnected, Link
from agent.wire import blocks
from agent.wire.errors import WireError
from agent.wire.messages import Need
from agent.wire.topics import BlobTopic, controller_filters
from controller.core.decide import decide
from controller.core.intents import Intent, IntentError
from controller.core.nouns.job import AT_WORK, JobKind, JobState, PruneJob
from controller.core.nouns.model import Model
from controller.core.nouns.variant import Variant
from controller.core.policy import Policy
from controller.loop.answer import answer
from controller.loop.blobs import Blobs
from controller.loop.clock import Clock
from controller.loop.facts import Asked, Fact, JobEnded, JobMade, JobMoved, Stop
from controller.loop.look import Looker
from controller.loop.manifests import needed_bytes
from controller.loop.perform import EndJob, Performer, Publish, RunJob, Send
from controller.loop.push import Push
from controller.loop.record import Recorded, record
from controller.loop.refine import queue_refine
from controller.pruning.job import JobResult
from controller.store.artifacts import Artifacts
from controller.store.errors import ArtifactError
from controller.store.store import Store
from controller.store.tx import Tx

log = logging.getLogger("hedgerow.daemon")

_ROUNDS = 50  # decisions settle in a handful; a rule that never settles is logged instead of spinning
_SWEEP_S = 1.0
_BATCH = 2000


class Jobs(Protocol):
    """Runs prune jobs elsewhere; progress and results come back as facts."""

    def start(self, job: PruneJob, model: Model, start_from: tuple[str, ...]) -> None:
        """`start_from` are the model's known variants, which a prune may go on from."""

    def cancel(self, job: str) -> None:
        """End it soon, with whatever result; nothing where it has ended."""

    def stop(self) -> None: ...


def _as_it_ended(job: PruneJob, result: JobResult, now_unix_s: float) -> PruneJob:
    """What was told to stop and did is no failure; what came to its own end before it was is as good as ever."""
    if job.state is JobState.STOPPING and result.state is JobState.FAILED and result.retry:
        detail, attempts = "stopped as something else was to do; goes on later", max(job.attempts - 1, 0)
        return replace(job, state=JobState.QUEUED, detail=detail, attempts=attempts)
    return replace(
        job,
        state=result.state,
        sha256=None if result.variant is None else result.variant.sha256,
        binding=result.binding,
        least=result.least or job.least,
        detail=result.detail,
        report=result.report,
        retry=result.retry,
        finished_unix_s=now_unix_s,
    )


class Daemon:
    """`sent_unix_s`, when each device was last sent to, is the performer's too."""

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
        sent_unix_s: dict[str, float],
    ) -> None:
        self._store, self._artifacts, self._link, self._jobs = store, artifacts, link, jobs
        self._performer, self._policy, self._clock, self._sent = performer, policy, clock, sent_unix_s
        self._queue: queue.Queue[Fact] = queue.Queue()
        self._push = Push()
        self._blobs = Blobs(store, artifacts)
        self._look_again: set[str] = set()
        self._swept_s = -math.inf
        self._unwritten: list[Fact] = []
        self._stopping = False

    def enqueue(self, fact: Fact) -> None:
        """The one way in, from any thread."""
        self._queue.put(fact)

    def ask(self, intent: Intent) -> Future[str]:
        """Hand an operator's intent to the loop; the future gets the answer or an `IntentError`."""
        future: Future[str] = Future()
        self.enqueue(Asked(intent, future))
        return future

    def start(self) -> None:
        """Take up where the last run ended: its running jobs wait again, and nobody is online before he says so."""
        with self._store.begin() as tx:
            for job in tx.jobs(*AT_WORK):
                tx.put_job(replace(job, state=JobState.QUEUED, attempts=max(job.attempts - 1, 0)))
            for device in tx.devices():
                tx.put_device(replace(device, online=False))
        self._link.start(self.enqueue)

    def run(self) -> None:
        """Turn until `Stop`; then end the jobs and the link."""
        self.start()
        while not self._stopping:
            self.turn(self._drain(0.05 if self._push.busy else _SWEEP_S / 2))
        self._jobs.stop()
        self._link.stop()
        log.info("event=stopped")

    def turn(self, facts: Iterable[Fact]) -> None:
        """One turn. A database that cannot be written now costs nothing: unacknowledged, everything comes again.

        Nobody repeats what a job made and how it ended: this is kept here until it is written.
        """
        happened = [*self._unwritten, *facts]
        self._stopping = self._stopping or Stop() in happened
        self._unwritten = [fact for fact in happened if isinstance(fact, JobMade | JobEnded)]
        try:
            self._correct_clock()
            self._record(happened)
            self._unwritten = []
            if self._sweep() or happened:
                self._settle()
        except SQLAlchemyError as error:
            log.exception("event=database_error")
            if not isinstance(error, OperationalError):  # it would be refused for ever, and all others with it
                self._unwritten = []
        self._broadcast()

    def _correct_clock(self) -> None:
        """The host's clock has jumped: follow it, with all that durations are still measured from."""
        step_s = self._clock.step_s()
        if not step_s:
            return
        log.warning("event=clock_corrected by_s=%.0f", step_s)
        with self._store.begin() as tx:
            tx.restamp(self._clock.now() - self._policy.longest_s, step_s)
            tx.put_meta("clock", self._clock.memory(step_s))
        self._clock.step(step_s)
        self._sent.update({device: sent_unix_s + step_s for device, sent_unix_s in self._sent.items()})

    # --- recording ---------------------------------------------------------------------------------------------------

    def _drain(self, timeout_s: float) -> list[Fact]:
        facts = []
        try:
            facts.append(self._queue.get(timeout=timeout_s))
            while len(facts) < _BATCH:
                facts.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return facts

    def _record(self, facts: list[Fact]) -> None:
        if not facts:
            return
        afterwards: list[Callable[[], object]] = []
        with self._store.begin() as tx:
            for fact in facts:
                afterwards += self._take(tx, fact)
        for each in afterwards:
            each()

    def _take(self, tx: Tx, fact: Fact) -> list[Callable[[], object]]:
        """Record one fact; returns what to do once it is committed."""
        match fact:
            case Arrived():
                return self._after_message(tx, self._recorded(tx, fact))
            case Connected():
                log.info("event=link_up")
                self._sent.clear()
                self._link.subscribe(controller_filters())
            case Disconnected(reason):
                log.warning("event=link_down reason=%r", reason)
                self._push.link_lost()
            case Delivered(token):
                self._push.delivered(token)
            case Asked(intent, future):
                return [self._answered(tx, intent, future)]
            case JobMoved(job, share, text):
                known = tx.get_job(job)
                if known is not None and known.state is JobState.RUNNING:
                    tx.put_job(replace(known, detail=f"{share:.0%} {text}"))
            case JobMade(job, variant):
                self._job_made(tx, job, variant)
            case JobEnded():
                self._job_ended(tx, fact)
                self._swept_s = -math.inf
            case Stop():
                pass  # heard before, whether or not anything can be written
            case _:
                assert_never(fact)
        return []

    def _recorded(self, tx: Tx, message: Arrived) -> Recorded:
        """A message that nobody foresaw is a dead letter too: no device may end the controller of all."""
        try:
            return record(tx, message, self._clock.now())
        except SQLAlchemyError:
            raise
        except Exception as error:
            log.exception("event=unforeseen topic=%s", message.topic)
            tx.add_dead_letter(message.topic, message.payload, f"{type(error).__name__}: {error}", self._clock.now())
            return Recorded()

    def _after_message(self, tx: Tx, recorded: Recorded) -> list[Callable[[], object]]:
        if recorded.device is not None:
            self._look_again.add(recorded.device)
        if recorded.need is not None:
            self._needed(tx, recorded.need)
        ack = recorded.ack
        return [] if ack is None else [lambda: self._link.publish(*ack)]

    def _answered(self, tx: Tx, intent: Intent, future: Future[str]) -> Callable[[], object]:
        try:
            result = answer(tx, intent, self._clock.now())
        except IntentError as error:
            refusal = error
            return lambda: future.set_exception(refusal)
        except SQLAlchemyError:
            raise
        except Exception as error:
            log.exception("event=unforeseen intent=%s", type(intent).__name__)
            fault = IntentError(500, f"the controller failed over this ({type(error).__name__}: {error}); see its log")
            return lambda: future.set_exception(fault)
        self._swept_s = -math.inf
        return lambda: future.set_result(result)

    def _job_made(self, tx: Tx, job: str, variant: Variant) -> None:
        known = tx.get_job(job)
        if known is None:
            return
        log.info("event=made job=%s variant=%s", job, variant.sha256[:12])
        self._keep(tx, known.model, variant)
        self._swept_s = -math.inf

    def _keep(self, tx: Tx, model: str, variant: Variant) -> None:
        """A variant that is told of again, as a ladder's end does, was made when it was first told of."""
        known = tx.get_variant(model, variant.sha256)
        created = self._clock.now() if known is None else known.created_unix_s
        tx.put_variant(replace(variant, model=model, created_unix_s=created))

    def _job_ended(self, tx: Tx, ended: JobEnded) -> None:
        job, result = tx.get_job(ended.job), ended.result
        if job is None:
            return
        log.info("event=ended job=%s state=%s detail=%r", job.id, result.state, result.detail)
        variant = result.variant
        if variant is not None and result.state is JobState.DONE:
            self._keep(tx, job.model, variant)
        for rung in result.variants:
            self._keep(tx, job.model, rung)
        known = _as_it_ended(job, result, self._clock.now())
        tx.put_job(known)
        queue_refine(tx, known, again=job.kind is JobKind.PRUNE)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _sweep(self) -> bool:
        """Look at every device now and then: time passes without a message."""
        now_s = self._clock.steady_s()
        if now_s - self._swept_s < _SWEEP_S:
            return False
        self._swept_s = now_s
        self._push.forget_old(now_s)
        with self._store.read() as tx:
            self._look_again |= {device.id for device in tx.devices()}
        return True

    def _settle(self) -> None:
        """Decide and perform until nothing is left to do for the devices at hand."""
        for _ in range(_ROUNDS):
            if not self._round():
                self._look_again.clear()
                return
        log.error("event=unsettled devices=%s", ",".join(sorted(self._look_again)[:10]))
        self._look_again.clear()

    def _round(self) -> bool:
        now = self._clock.now()
        sends: list[Send] = []
        with self._store.begin() as tx:
            devices = [device for device in map(tx.get_device, sorted(self._look_again)) if device is not None]
            view = Looker(tx, self._policy, self._sent, now).view(devices)
            actions = decide(view, self._policy, now)
            for action in actions:
                sends += self._performer.perform(tx, action, now)
        for send in sends:
            self._send(send)
        return bool(actions)

    def _send(self, send: Send) -> None:
        match send:
            case Publish(topic, payload, retain):
                self._link.publish(topic, payload, retain=retain)
            case RunJob(job, model, start_from):
                self._jobs.start(job, model, start_from)
            case EndJob(name):
                self._jobs.cancel(name)

    # --- artifact blocks ---------------------------------------------------------------------------------------------

    def _needed(self, tx: Tx, need: Need) -> None:
        size_bytes = needed_bytes(tx, self._artifacts, need, self._clock.now(), self._performer.lose)
        if size_bytes is None:
            log.warning("event=unknown_artifact device=%s sha256=%s", need.device, need.sha256[:12])
            return
        try:
            missing = blocks.unpack(need.missing, blocks.count(size_bytes))
        except WireError as error:
            log.warning("event=bad_need device=%s reason=%r", need.device, str(error))
            return
        self._push.need(need.sha256, missing, self._clock.steady_s())

    def _broadcast(self) -> None:
        for block in self._push.take(self._clock.steady_s()):
            try:
                data = self._blobs.read(block)
            except ArtifactError as error:
                self._lose(block.sha256, error)
                return
            self._push.sent(self._link.publish(str(BlobTopic(block.sha256, block.index)), data))

    def _lose(self, sha256: str, error: ArtifactError) -> None:
        """Devices that wait for it are looked at again, and get another."""
        with self._store.begin() as tx:
            self._performer.lose(tx, sha256, error)
        self._push.drop(sha256)
        self._swept_s = -math.inf
