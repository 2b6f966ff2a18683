"""What operators ask of models: add one from its spec, or change what its owner wants of it."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

from controller.core.caps import shippable
from controller.core.intents import IntentError, SetModel
from controller.core.jobs import identified
from controller.core.nouns.job import AT_WORK, Job, JobState
from controller.core.nouns.model import Model
from controller.core.nouns.work import Dense, Ladder, Prune, Refine
from controller.loop.ledger import Ledger
from controller.pruning.identity import formerly_stored, stored_digest
from controller.pruning.spec import ModelSpec, load_spec, prefer_of, rungs_of

log = logging.getLogger("hedgerow.answer")


def add_model(ledger: Ledger, spec_path: Path, now_unix_s: float) -> str:
    """The spec is read, not run; a job then loads, exports and measures the dense model. Again, it changes the policy.

    Raises `WireError` where the spec cannot be read, `IntentError` where the model is there and is another one.
    """
    spec = load_spec(spec_path)
    known, digest = ledger.get_model(spec.ref), stored_digest(spec)
    usable = any(variant.dense for variant in ledger.variants(spec.ref))
    if known is not None and usable and known.digest not in (digest, formerly_stored(spec, spec_path)):
        raise IntentError(
            409,
            f"model {spec.ref} is there with other weights, code, input or data: give it a new version "
            "(its policy alone, such as its floor, 'model set' changes)",
        )
    model = _declared(spec, spec_path, digest, known.added_unix_s if known else now_unix_s)
    log.info("event=model_added model=%s digest=%s", model.ref, digest[:12])
    _put(ledger, known, model, now_unix_s)
    if not usable:  # also after a failure: the operator has mended what was wrong
        dense = Job(id="", model=model.ref, work=Dense(), created_unix_s=now_unix_s)
        known_job = ledger.get_job(identified(dense).id)
        if known_job is None or known_job.state not in AT_WORK:  # what is being measured is not begun twice
            ledger.put_job(identified(dense))
    return model.ref


def set_model(ledger: Ledger, intent: SetModel, now_unix_s: float) -> str:
    """Change the policy of a model. Raises `IntentError`, `WireError`."""
    known = ledger.get_model(intent.model)
    if known is None:
        raise IntentError(404, f"model {intent.model!r} is not known; 'model list' shows those that are")
    model = replace(
        known,
        prefer=known.prefer if intent.prefer is None else prefer_of(intent.prefer),
        ladder=known.ladder if intent.ladder is None else rungs_of(intent.ladder),
        accuracy_floor=_share("floor", intent.accuracy_floor, known.accuracy_floor),
        accuracy_margin=_share("margin", intent.accuracy_margin, known.accuracy_margin),
        recovery=intent.recovery or known.recovery,
        refine_s=known.refine_s if intent.refine_s is None else budget_of(intent.refine_s),
    )
    log.info("event=model_set model=%s prefer=%s ladder=%d floor=%s margin=%s recovery=%s refine_s=%g", model.ref,
             model.prefer, model.ladder, model.accuracy_floor, model.accuracy_margin, model.recovery,
             model.refine_s)  # fmt: skip
    _put(ledger, known, model, now_unix_s)
    return model.ref


def _declared(spec: ModelSpec, spec_path: Path, digest: str, added_unix_s: float) -> Model:
    return Model(
        name=spec.name,
        version=spec.version,
        spec_path=str(spec_path.resolve()),
        digest=digest,
        accuracy_floor=spec.accuracy_floor,
        accuracy_margin=spec.accuracy_margin,
        prefer=spec.prefer,
        ladder=spec.ladder,
        recovery=spec.recovery,
        refine_s=spec.refine_s,
        added_unix_s=added_unix_s,
    )


def _put(ledger: Ledger, known: Model | None, model: Model, now_unix_s: float) -> None:
    ledger.put_model(model)
    if known is not None and _terms(known) != _terms(model):
        _ask_again(ledger, model)
    if model.ladder:
        rungs = Job(id="", model=model.ref, work=Ladder(model.ladder), asked=True, created_unix_s=now_unix_s)
        if ledger.get_job(identified(rungs).id) is None:
            ledger.put_job(identified(rungs))


def _terms(model: Model) -> tuple[float | None, float | None]:
    return model.accuracy_floor, model.accuracy_margin


def _ask_again(ledger: Ledger, model: Model) -> None:
    """What was refused, or made and may no longer ship, was answered on other terms."""
    may_ship = {each.sha256 for each in shippable(ledger.variants(model.ref), model.accuracy_floor)}
    for job in ledger.jobs(JobState.INFEASIBLE, JobState.DONE):
        stale = job.state is JobState.INFEASIBLE or job.sha256 not in may_ship
        if job.model == model.ref and isinstance(job.work, Prune | Refine) and stale:
            ledger.put_job(replace(job, state=JobState.QUEUED, attempts=0))


def budget_of(seconds: float) -> float:
    """How long a variant may be refined. Raises `IntentError`."""
    if not 0 <= seconds < math.inf:
        raise IntentError(400, f"refine {seconds:g}: a number of seconds from 0 is allowed, 0 for none")
    return seconds


def _share(name: str, wanted: float | None, known: float | None) -> float | None:
    if wanted is None:
        return known
    if not 0 <= wanted <= 1:
        raise IntentError(400, f"{name} {wanted:g}: a share from 0 to 1 (100 %) is allowed, 0 for none")
    return wanted or None
