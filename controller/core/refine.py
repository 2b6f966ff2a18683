"""First, then better: what follows a prune that is done, once its variant is out.

A prune ends with the first variant that is inside its caps. To go on from there, with more candidates and a longer
recovery under the same caps, is a *refine*: a job of its own, with a budget of seconds, for when nothing else is to do.
"""

from __future__ import annotations

from dataclasses import replace

from controller.core.jobs import identified
from controller.core.nouns.job import AT_WORK, JobKind, JobState, PruneJob
from controller.core.nouns.model import Model


def refinement(prune: PruneJob, model: Model) -> PruneJob | None:
    """The refine that is to follow `prune`; None where that is not done, or nobody gave a budget above 0.

    An audit is made to see what it wins, and no further than that, unless an operator asked for it.
    """
    budget_s = model.refine_s if prune.budget_s is None else prune.budget_s
    if prune.kind is not JobKind.PRUNE or prune.state is not JobState.DONE or budget_s <= 0:
        return None
    if prune.audit and not prune.asked:
        return None
    asked = prune.created_unix_s if prune.finished_unix_s is None else prune.finished_unix_s
    return identified(
        PruneJob(
            id="",
            model=prune.model,
            kind=JobKind.REFINE,
            caps=prune.caps,
            asked=True,
            budget_s=budget_s,
            created_unix_s=asked,
        )
    )


def refined(refine: PruneJob) -> str:
    """The id of the prune that a refine follows."""
    return identified(replace(refine, kind=JobKind.PRUNE)).id


def refine_of(prune: PruneJob) -> str:
    """The id of the refine that follows a prune, where one does."""
    return identified(replace(prune, kind=JobKind.REFINE)).id


def to_queue(wanted: PruneJob, known: PruneJob | None, again: bool) -> PruneJob | None:
    """The refine to write down where `wanted` is to follow a prune and `known` is what there is of it; None leaves it.

    With a larger budget it goes on from what it made. One that has failed or found nothing better is begun anew only
    `again`. One that is at work is left to its end, when its prune is looked at once more: its process knows no other
    budget.
    """
    if known is None or (again and known.state in (JobState.FAILED, JobState.INFEASIBLE)):
        return wanted
    if known.state in AT_WORK or (known.budget_s or 0.0) >= (wanted.budget_s or 0.0):
        return None
    return replace(known, state=JobState.QUEUED, budget_s=wanted.budget_s, attempts=0)
