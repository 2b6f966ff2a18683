"""Jobs: what makes two requests the same one, and which of them run when."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import islice
from typing import assert_never

import msgspec

from controller.core.actions import Action, DropJob, StartJob, StopJob
from controller.core.catalog import NEAR
from controller.core.gain import gains
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import AT_WORK, Job, JobState, prunes
from controller.core.nouns.work import Dense, Ladder, Prediction, Prune, Refine, Unstructured
from controller.core.policy import Policy

_FOR_AN_AUDIT = 4  # prunes that paid by their prediction, for each that is made all the same
_JUST_AFTER_S = 1e-3  # sums of floats are off by less
_BETTER = 3  # the rank of what would only serve better


def job_id(model: str, key: str) -> str:
    """Equal requests have equal ids, so asking twice queues once."""
    return hashlib.sha256(f"{model} {key}".encode()).hexdigest()[:12]


def identified(job: Job) -> Job:
    return replace(job, id=job_id(job.model, job.key))


def audited(model: str, caps: Caps, policy: Policy) -> bool:
    """Whether a prune that is predicted not to pay is one of those that are made to see: the same ones every time."""
    return int(job_id(model, caps.key), 16) % policy.audit_one_in == 0


def decide_jobs(
    jobs: Sequence[Job],
    waited_for: frozenset[tuple[str, str]],
    needed: frozenset[tuple[str, str]],
    policy: Policy,
    now_unix_s: float,
) -> list[Action]:
    """Start what somebody waits for, while there is room; a failed one again after a pause. Drop what nobody wants, and
    stop a refine as soon as anything else is to do.

    First every model's dense variant, then what devices wait for that have nothing to run, then operators' prunes, then
    what would only serve better. Of the last that first which is modelled to win the most over all that it serves; of
    the others the tightest: what is under its caps is under all looser ones too, so that the most devices have
    something soonest. A patient job only starts where nothing else is to do, and once it runs it takes no prune's
    place: an incident that needs a variant must not wait for a ladder's end. A refine may take hours, so it leaves the
    host to all others: it only runs alone.
    """

    def fleet(job: Job) -> bool:
        return isinstance(job.work, Dense) or (job.model, job.key) in waited_for

    def rank(job: Job) -> int:
        first = not isinstance(job.work, Dense), (job.model, job.key) not in needed, not job.asked
        return next((at for at, no in enumerate(first) if not no), _BETTER)

    def patience(job: Job) -> int:
        return _patience(job, fleet(job))

    def turn(job: Job) -> tuple[int, float, tuple[float, ...], float, str]:
        return rank(job), -won.get(job.id, 0.0), _looseness(job.caps), job.created_unix_s, job.id

    wanted = [job for job in jobs if fleet(job) or job.asked or _audit(job)]
    ready = [job for job in wanted if _may_start(job, policy, now_unix_s) and (fleet(job) or _tells(job, jobs))]
    won = gains([job for job in ready if rank(job) == _BETTER])
    ready.sort(key=turn)
    urgent = [job for job in ready if not patience(job)]
    patient = sorted(filter(patience, ready), key=patience)
    running = [job for job in jobs if job.state in AT_WORK]
    at_work = sum(not patience(job) for job in running)
    starting = list(islice(_together(urgent, jobs, fleet), max(policy.parallel_jobs - at_work, 0)))
    if not urgent and len(running) < policy.parallel_jobs and at_work == len(running):
        starting = [job for job in patient if not running or not _alone(job)][:1]
    wished = {job.id for job in wanted}
    unwanted = [job for job in jobs if job.state is JobState.QUEUED and job.id not in wished]
    return [*(DropJob(job.id) for job in unwanted), *_make_way(ready, running), *map(StartJob, starting)]


def _make_way(ready: Sequence[Job], running: Sequence[Job]) -> Iterator[StopJob]:
    """What runs only alone is stopped for anything else that may start or runs; once is enough."""
    if not all(map(_alone, (*ready, *running))):
        yield from (StopJob(job) for job in running if _alone(job) and job.state is JobState.RUNNING)


def _alone(job: Job) -> bool:
    return isinstance(job.work, Refine)


def _audit(job: Job) -> bool:
    return isinstance(job.work, Prune) and job.work.audit


def _tells(job: Job, jobs: Sequence[Job]) -> bool:
    """Anything but an audit does. One audit for every few prunes that came out keeps predictions honest: of a fleet of
    thousands one in so many would be more than all that pay."""
    if not _audit(job) or job.asked:
        return True
    done = prunes(each for each in jobs if each.model == job.model and each.state is JobState.DONE)
    made = [prune for _, prune in done if prune.prediction]
    audits = sum(each.audit for each in made)
    return audits * _FOR_AN_AUDIT <= len(made) - audits


def _patience(job: Job, fleet: bool) -> int:
    """0 where somebody waits for it; else those with less go first. A ladder takes as long as all its rungs."""
    match job.work:
        case Unstructured():
            return 1
        case Ladder():
            return 2
        case Prune(audit=True) if not job.asked and not fleet:
            return 3
        case Refine():
            return 4
        case Dense() | Prune():
            return 0
        case _:
            assert_never(job.work)


def _looseness(caps: Caps) -> tuple[float, ...]:
    every = (caps.latency_s, caps.ram_bytes, caps.storage_bytes)
    return tuple(math.inf if cap is None else cap for cap in every)


def _together(ready: Sequence[Job], jobs: Sequence[Job], fleet: Callable[[Job], bool]) -> Iterator[Job]:
    """The jobs to start for `ready`, in its order: prunes for devices whose caps lie near each other become one.

    One that is near a running job waits for what that makes.
    """
    served = set[str]()
    for job in ready:
        if job.id in served or any(_serves(other, job) for other in jobs if other.state in AT_WORK):
            continue
        if job.asked or not isinstance(job.work, Prune):
            served.add(job.id)
            yield job
            continue
        group = _near(job, job.work, [*filter(fleet, ready)], jobs)
        served |= {each.id for each, _ in group}
        meet = reduce(Caps.meet, (prune.caps for _, prune in group))
        one = msgspec.structs.replace(job.work, caps=meet, prediction=_least_win([prune for _, prune in group]))
        same = next((each for each, prune in group if prune.caps == meet), None)
        yield same or identified(replace(job, work=one, attempts=0))


def _least_win(group: Sequence[Prune]) -> Prediction | None:
    """Under the meet of their caps a variant wins no more than under those of any of them."""
    told = [each.prediction for each in group if each.prediction is not None]
    return min(told, key=lambda each: each.win) if len(told) == len(group) else None


def _near(job: Job, prune: Prune, others: Sequence[Job], jobs: Sequence[Job]) -> list[tuple[Job, Prune]]:
    """`job` with those that are served by a variant under the meet of all their caps, where that can be asked for."""
    known = [each for each, _ in prunes(jobs) if each.model == job.model]
    tried = {each.key for each in known if each.state is not JobState.QUEUED}
    refused = [each.caps for each in known if each.state is JobState.INFEASIBLE]

    def may_be_asked(caps: Caps) -> bool:
        return caps.key not in tried and not any(each.covers(caps) for each in refused)

    group, meet = [(job, prune)], prune.caps
    for other, wanted in prunes(others):
        if other.model == job.model and not other.asked and other is not job:
            both = meet.meet(wanted.caps)
            if all(each.caps.near(both, NEAR) for _, each in (*group, (other, wanted))) and may_be_asked(both):
                group, meet = [*group, (other, wanted)], both
    return group


def _serves(running: Job, job: Job) -> bool:
    same = isinstance(running.work, Prune) and isinstance(job.work, Prune) and running.model == job.model
    return same and running.id != job.id and not job.asked and job.caps.near(running.caps, NEAR)


def next_retry_unix_s(jobs: Sequence[Job], policy: Policy, now_unix_s: float) -> float:
    """When the next failed job may be tried again; infinity where there is none."""
    moments = (
        (job.finished_unix_s or 0.0) + policy.retry_s
        for job in jobs
        if job.state is JobState.FAILED and job.retry and job.attempts < policy.attempts
    )
    return min((each + _JUST_AFTER_S for each in moments if each + _JUST_AFTER_S > now_unix_s), default=math.inf)


def _may_start(job: Job, policy: Policy, now_unix_s: float) -> bool:
    if job.state is JobState.QUEUED:
        return True
    if job.state is not JobState.FAILED or not job.retry or job.attempts >= policy.attempts:
        return False
    return now_unix_s - (job.finished_unix_s or 0.0) >= policy.retry_s
