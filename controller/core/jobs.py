"""Jobs: what makes two requests the same one, and which of them run when."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

from controller.core.actions import Action, StartJob
from controller.core.policy import Policy
from controller.core.types import Caps, JobKind, JobState, PruneJob

PATIENT = (JobKind.UNSTRUCTURED, JobKind.LADDER)
"""Nothing in the fleet waits for these, and a ladder takes as long as all its rungs."""


def job_id(model: str, key: str) -> str:
    """Equal requests have equal ids, so asking twice queues once."""
    return hashlib.sha256(f"{model} {key}".encode()).hexdigest()[:12]


def identified(job: PruneJob) -> PruneJob:
    return replace(job, id=job_id(job.model, job.key))


def decide_jobs(
    jobs: Sequence[PruneJob], waited_for: frozenset[tuple[str, str]], policy: Policy, now_unix_s: float
) -> list[Action]:
    """Start what somebody waits for, while there is room; a failed one again after a pause.

    First what the fleet waits for (every model's dense variant; a prune, unless another variant has come to fit), then
    operators' prunes. Each the oldest first; of those asked for at once, the one with the loosest caps: a device then
    gets what was made for it, before there is a smaller one that it could run as well. A patient job only starts where
    nothing else is to do, and once it runs it takes no prune's place: an incident that needs a variant must not wait
    for a ladder's end.
    """

    def fleet(job: PruneJob) -> bool:
        return job.kind is JobKind.DENSE or (job.model, job.key) in waited_for

    ready = [job for job in jobs if (fleet(job) or job.asked) and _may_start(job, policy, now_unix_s)]
    ready.sort(key=lambda job: (not fleet(job), job.created_unix_s, _tightness(job.caps), job.id))
    urgent = [job for job in ready if job.kind not in PATIENT]
    patient = sorted((job for job in ready if job.kind in PATIENT), key=lambda job: PATIENT.index(job.kind))
    running = [job for job in jobs if job.state is JobState.RUNNING]
    at_work = sum(job.kind not in PATIENT for job in running)
    starting = urgent[: max(policy.parallel_jobs - at_work, 0)]
    if not urgent and len(running) < policy.parallel_jobs and at_work == len(running):
        starting = patient[:1]
    return [StartJob(job) for job in starting]


def _tightness(caps: Caps) -> tuple[float, ...]:
    every = (caps.ram_bytes, caps.storage_bytes, caps.latency_s)
    return tuple(-math.inf if cap is None else -cap for cap in every)


def _may_start(job: PruneJob, policy: Policy, now_unix_s: float) -> bool:
    if job.state is JobState.QUEUED:
        return True
    if job.state is not JobState.FAILED or not job.retry or job.attempts >= policy.attempts:
        return False
    return now_unix_s - (job.finished_unix_s or 0.0) >= policy.retry_s
