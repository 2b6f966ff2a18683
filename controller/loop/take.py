"""What happened -> what is written down in a turn, one fact at a time. It decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import assert_never

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from agent.link import Arrived, Connected, Delivered, Disconnected, Link
from agent.wire.topics import controller_filters, retained_filters
from controller.core.intents import Intent, IntentError
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Dense, Ladder, Prune, Refine, Unstructured, Work
from controller.loop.answer import answer
from controller.loop.broadcast import Broadcast
from controller.loop.eraser import Eraser
from controller.loop.facts import Asked, Erased, Fact, JobEnded, JobMade, JobMoved, Lost, Question, Stop
from controller.loop.ledger import Ledger
from controller.loop.manifests import needed_bytes
from controller.loop.perform import Performer
from controller.loop.record import Recorded, record
from controller.loop.refine import queue_refine
from controller.pruning.job import JobResult
from controller.store.artifacts import Artifacts

log = logging.getLogger("hedgerow.take")

Afterwards = Callable[[], object]
"""What is done once the turn is committed."""


class Taker:
    """`link_moved` hears why the link has gone down, and with nothing to say that it has come up."""

    def __init__(
        self,
        link: Link,
        artifacts: Artifacts,
        broadcast: Broadcast,
        eraser: Eraser,
        performer: Performer,
        link_moved: Callable[[str], None],
    ) -> None:
        self._link, self._artifacts, self._broadcast = link, artifacts, broadcast
        self._eraser, self._performer, self._link_moved = eraser, performer, link_moved

    def take(self, ledger: Ledger, fact: Fact, now_unix_s: float) -> list[Afterwards]:  # noqa: PLR0912 - one branch a fact
        match fact:
            case Arrived():
                return self._after_message(ledger, self._recorded(ledger, fact, now_unix_s), now_unix_s)
            case Connected():
                log.info("event=link_up")
                ledger.lose_contacts()
                return [
                    lambda: self._link_moved(""),
                    lambda: self._link.subscribe(controller_filters()),
                    self.ask_again,
                ]
            case Disconnected(reason):
                log.warning("event=link_down reason=%r", reason)
                ledger.lose_contacts()
                return [
                    self._broadcast.push.link_lost,
                    self._eraser.link_lost,
                    lambda: self._link_moved(reason or "it ended the connection"),
                ]
            case Delivered(token):
                return [lambda: self._broadcast.push.delivered(token), lambda: self._eraser.delivered(token)]
            case Erased(device):
                if (known := ledger.get_forgotten(device)) is not None:
                    ledger.put_forgotten(replace(known, cleared=True))
            case Asked(intent, future):
                return [_answered(ledger, intent, future, now_unix_s)]
            case JobMoved():
                _job_moved(ledger, fact)
            case JobMade(job, variant):
                _job_made(ledger, job, variant, now_unix_s)
            case JobEnded():
                _job_ended(ledger, fact, now_unix_s)
            case Lost(sha256, reason):
                if not ledger.drop_manifest(sha256):
                    self._performer.lose(ledger, sha256, reason)
            case Stop() | Question():
                pass  # heard apart, whether or not anything can be written
            case _:
                assert_never(fact)
        return []

    def ask_again(self) -> None:
        """Have the broker tell once more what it keeps of every device: what came meanwhile may be lost."""
        self._link.subscribe(retained_filters(), anew=True)

    def _recorded(self, ledger: Ledger, message: Arrived, now_unix_s: float) -> Recorded:
        """A message that nobody foresaw is a dead letter too: no device may end the controller of all."""
        try:
            return record(ledger, message, now_unix_s)
        except SQLAlchemyError:
            raise
        except Exception as error:
            log.exception("event=unforeseen topic=%s", message.topic)
            ledger.add_dead_letter(message.topic, message.payload, f"{type(error).__name__}: {error}", now_unix_s)
            return Recorded()

    def _after_message(self, ledger: Ledger, recorded: Recorded, now_unix_s: float) -> list[Afterwards]:
        if recorded.device is not None:
            ledger.woken.add(recorded.device)
        afterwards = list[Afterwards]()
        if (need := recorded.need) is not None:
            size_bytes = needed_bytes(ledger, self._artifacts, need, now_unix_s, self._performer.lose)
            afterwards.append(lambda: self._broadcast.needed(need, size_bytes))
        if recorded.ack is not None:
            ledger.answers.append(recorded.ack)
        return afterwards


def _answered(ledger: Ledger, intent: Intent, future: Future[str], now_unix_s: float) -> Afterwards:
    try:
        result = answer(ledger, intent, now_unix_s)
    except IntentError as error:
        refusal = error
        return lambda: future.set_exception(refusal)
    except SQLAlchemyError:
        raise
    except Exception as error:
        log.exception("event=unforeseen intent=%s", type(intent).__name__)
        fault = IntentError(500, f"the controller failed over this ({type(error).__name__}: {error}); see its log")
        return lambda: future.set_exception(fault)
    return lambda: future.set_result(result)


def _job_moved(ledger: Ledger, moved: JobMoved) -> None:
    known = ledger.get_job(moved.job)
    if known is not None and known.state is JobState.RUNNING:
        ledger.put_job(replace(known, detail=f"{moved.share:.0%} {moved.text}"))


def _job_made(ledger: Ledger, job: str, variant: Variant, now_unix_s: float) -> None:
    known = ledger.get_job(job)
    if known is None:
        return
    log.info("event=made job=%s variant=%s", job, variant.sha256[:12])
    _keep(ledger, known.model, variant, now_unix_s)


def _keep(ledger: Ledger, model: str, variant: Variant, now_unix_s: float) -> None:
    """A variant that is told of again, as a ladder's end does, was made when it was first told of."""
    known = ledger.get_variant(model, variant.sha256)
    created = now_unix_s if known is None else known.created_unix_s
    ledger.put_variant(replace(variant, model=model, created_unix_s=created))


def _job_ended(ledger: Ledger, ended: JobEnded, now_unix_s: float) -> None:
    job, result = ledger.get_job(ended.job), ended.result
    if job is None:
        return
    log.info("event=ended job=%s state=%s detail=%r", job.id, result.state, result.detail)
    variant = result.variant
    if variant is not None and result.state is JobState.DONE:
        _keep(ledger, job.model, variant, now_unix_s)
    for rung in result.variants:
        _keep(ledger, job.model, rung, now_unix_s)
    known = _as_it_ended(job, result, now_unix_s)
    ledger.put_job(known)
    queue_refine(ledger, known, again=isinstance(job.work, Prune))


def _as_it_ended(job: Job, result: JobResult, now_unix_s: float) -> Job:
    """What was told to stop and did is no failure; what came to its own end before it was is as good as ever."""
    if job.state is JobState.STOPPING and result.state is JobState.FAILED and result.retry:
        detail, attempts = "stopped as something else was to do; goes on later", max(job.attempts - 1, 0)
        return replace(job, state=JobState.QUEUED, detail=detail, attempts=attempts)
    return replace(
        job,
        state=result.state,
        work=_as_its_kind_ended(job.work, result),
        sha256=None if result.variant is None else result.variant.sha256,
        detail=result.detail,
        retry=result.retry,
        finished_unix_s=now_unix_s,
    )


def _as_its_kind_ended(work: Work, result: JobResult) -> Work:
    """With what only its kind ends with."""
    match work:
        case Prune():
            return msgspec.structs.replace(work, binding=result.binding, least=result.least or work.least)
        case Unstructured():
            return msgspec.structs.replace(work, report=result.report)
        case Dense() | Ladder() | Refine():
            return work
        case _:
            assert_never(work)
