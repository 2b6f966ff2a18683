"""The refine that follows a prune, written down where there is to be one."""

from __future__ import annotations

import logging

from controller.core.nouns.job import Job
from controller.core.nouns.work import Refine
from controller.core.refine import budget_s_of, refined, refinement, to_queue
from controller.loop.ledger import Ledger

log = logging.getLogger("hedgerow.refine")


def queue_refine(ledger: Ledger, job: Job, again: bool) -> None:
    """Queue what is to follow the prune `job`; where that is its refine itself, go on if the budget has grown since.

    `again` also where a refine of it has failed before.
    """
    prune = ledger.get_job(refined(job.model, job.work)) if isinstance(job.work, Refine) else job
    model = ledger.get_model(job.model)
    wanted = None if prune is None or model is None else refinement(prune, model)
    queued = None if wanted is None else to_queue(wanted, ledger.get_job(wanted.id), again)
    if queued is not None:
        log.info("event=queued job=%s model=%s kind=%s key=%r budget_s=%g", queued.id, queued.model, queued.kind,
                 queued.key, budget_s_of(queued))  # fmt: skip
        ledger.put_job(queued)
