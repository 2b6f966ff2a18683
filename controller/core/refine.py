"""First, then better: what follows a prune that is done, once its variant is out.

A prune ends with the first variant that is inside its caps. To go on from there, with more candidates and a longer
recovery under the same caps, is a *refine*: a job of its own, with a budget of seconds, for when nothing else is to do.
"""

from __future__ import annotations

from dataclasses import replace

from controller.core.jobs import identified, job_id
from controller.core.nouns.job import AT_WORK, Job, JobState
from controller.core.nouns.model import Model
from controller.core.nouns.work import Prune, Refine


def refinement(job: Job, model: Model) -> Job | None:
    """The refine that is to follow a prune; None where that is not done, or nobody gave a budget above 0.

    An audit is made to see what it wins, and no further than that, unless an operator asked for it.
    """
    prune = job.work
    if not isinstance(prune, Prune) or job.state is not JobState.DONE:
        return None
    budget_s = model.refine_s if prune.budget_s is None else prune.budget_s
    if budget_s <= 0 or (prune.audit and not job.asked):
        return None
    ended_unix_s = job.created_unix_s if job.finished_unix_s is None else job.finished_unix_s
    refine = Refine(prune.caps, budget_s)
    return identified(Job(id="", model=job.model, work=refine, asked=True, created_unix_s=ended_unix_s))


def refined(model: str, refine: Refine) -> str:
    """The id of the prune that a refine follows."""
    return job_id(model, Prune(refine.caps).key)


def refine_of(model: str, prune: Prune) -> str:
    """The id of the refine that follows a prune, where one does, whatever its budget."""
    return job_id(model, Refine(prune.caps, budget_s=0.0).key)


def to_queue(wanted: Job, known: Job | None, again: bool) -> Job | None:
    """The refine to write down where `wanted` is to follow a prune and `known` is what there is of it; None leaves it.

    With a larger budget it goes on from what it made. One that has failed or found nothing better is begun anew only
    `again`. One that is at work is left to its end, when its prune is looked at once more: its process knows no other
    budget.
    """
    if known is None or (again and known.state in (JobState.FAILED, JobState.INFEASIBLE)):
        return wanted
    if known.state in AT_WORK or budget_s_of(known) >= budget_s_of(wanted):
        return None
    return replace(known, state=JobState.QUEUED, work=wanted.work, attempts=0)


def budget_s_of(job: Job) -> float:
    """How long a refine may take in all."""
    return job.work.budget_s if isinstance(job.work, Refine) else 0.0
