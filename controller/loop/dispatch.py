"""What leaves once a turn is committed: assignments to devices, jobs to their processes."""

from __future__ import annotations

import logging
from typing import Protocol, assert_never

from sqlalchemy.exc import SQLAlchemyError

from agent.link import Link
from agent.wire.topics import Leaf, topic
from controller.core.nouns.job import Job
from controller.core.nouns.model import Model
from controller.core.policy import Policy
from controller.loop.clock import Clock
from controller.loop.fleet import Fleet
from controller.loop.perform import Deliver, EndJob, RunJob, Send
from controller.loop.watch import Watch
from controller.store.store import Store

log = logging.getLogger("hedgerow.dispatch")

_AGAIN_S = 1.0  # until the next try where the link took nothing


class Jobs(Protocol):
    """Runs jobs elsewhere; progress and results come back as facts."""

    def start(self, job: Job, model: Model, start_from: tuple[str, ...]) -> None:
        """`start_from` are the model's known variants, which a prune may go on from."""

    def cancel(self, job: str) -> None:
        """End it soon, with whatever result; nothing where it has ended."""

    def stop(self) -> None: ...


class Dispatcher:
    def __init__(self, store: Store, link: Link, jobs: Jobs, policy: Policy, clock: Clock, watch: Watch) -> None:
        self._store, self._link, self._jobs = store, link, jobs
        self._policy, self._clock, self._watch = policy, clock, watch

    def send(self, fleet: Fleet, send: Send) -> None:
        match send:
            case Deliver():
                self._deliver(fleet, send)
            case RunJob(job, model, start_from):
                self._jobs.start(job, model, start_from)
            case EndJob(name):
                self._jobs.cancel(name)
            case _:
                assert_never(send)

    def _deliver(self, fleet: Fleet, send: Deliver) -> None:
        """What the link did not take was not sent: it is due again in a moment."""
        if fleet.linked_unix_s is None:  # its coming up wakes everybody
            return
        envelope = send.envelope or self._stored_envelope(send.device)
        taken = envelope is None or self._link.publish(topic(send.device, Leaf.DESIRED), envelope, retain=True)
        if taken is None:
            due_unix_s = self._clock.now() + _AGAIN_S
            fleet.sent_unix_s[send.device] = due_unix_s - self._policy.resend_s
            self._watch.at(send.device, due_unix_s)

    def _stored_envelope(self, device: str) -> bytes | None:
        """What was signed; None also where it cannot be read now, and is due again later."""
        try:
            with self._store.read() as tx:
                newest = tx.latest_desired(device)
        except SQLAlchemyError as error:
            log.error("event=database_error reason=%r", str(error))
            return None
        return None if newest is None else newest.envelope
