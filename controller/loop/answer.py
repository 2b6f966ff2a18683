"""Operators' intents -> stored facts, with an answer. What follows from them is the decision's business."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import assert_never

import msgspec

from agent.wire.errors import WireError
from agent.wire.profile import parse_profile
from controller.core.caps import below_floor, shippable, use
from controller.core.intents import (
    AbortRollout,
    AcceptDevice,
    AddModel,
    AddToBulk,
    AskBulk,
    AskJob,
    ForgetDevice,
    Intent,
    IntentError,
    RecalibrateDevice,
    RegisterDevice,
    RevokeDevice,
    SetModel,
    StartBulk,
    StartRollout,
)
from controller.core.jobs import identified
from controller.core.nouns.device import DeviceState
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.model import Model
from controller.core.nouns.rollout import Rollout, RolloutState, rollout_id
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Ladder, Prune, Unstructured, Work
from controller.core.relax import lower_floor
from controller.core.selector import parse_selector
from controller.loop.answer_bulk import answer_bulk
from controller.loop.answer_device import known_device, recalibrate, register, set_state
from controller.loop.answer_model import add_model, budget_of, set_model
from controller.loop.ledger import Ledger
from controller.loop.refine import queue_refine
from controller.pruning.spec import MOST_RUNGS

log = logging.getLogger("hedgerow.answer")


def answer(ledger: Ledger, intent: Intent, now_unix_s: float) -> str:  # noqa: PLR0911, PLR0912 - one line an intent
    """Do what was asked; returns the id of what it was about (a model's is its ref).

    Raises `IntentError`; nothing is stored then.
    """
    try:
        match intent:
            case RegisterDevice(text, source):
                return _register(ledger, text, source, now_unix_s)
            case AcceptDevice(device):
                return _set_state(ledger, device, DeviceState.ACCEPTED)
            case RevokeDevice(device):
                return _set_state(ledger, device, DeviceState.REVOKED)
            case AskBulk() | AddToBulk() | StartBulk():
                return answer_bulk(ledger, intent, now_unix_s)
            case RecalibrateDevice(device):
                return _recalibrate(ledger, device)
            case ForgetDevice(device):
                return _forget(ledger, device, now_unix_s)
            case AddModel(spec_path):
                return add_model(ledger, Path(spec_path), now_unix_s)
            case SetModel():
                return set_model(ledger, intent, now_unix_s)
            case AskJob():
                return _ask_job(ledger, intent, now_unix_s)
            case StartRollout():
                return _start_rollout(ledger, intent, now_unix_s)
            case AbortRollout(rollout):
                return _abort(ledger, rollout, now_unix_s)
            case _:
                assert_never(intent)
    except WireError as error:
        raise IntentError(400, str(error)) from None


def _register(ledger: Ledger, text: str, source: str, now_unix_s: float) -> str:
    device = register(ledger, parse_profile(text, source), text, now_unix_s)
    log.info("event=registered device=%s class=%s", device.id, device.device_class)
    return device.id


def _set_state(ledger: Ledger, device: str, state: DeviceState) -> str:
    set_state(ledger, device, state)
    log.info("event=%s device=%s", state, device)
    return device


def _recalibrate(ledger: Ledger, device: str) -> str:
    recalibrate(ledger, device)
    log.info("event=recalibrated device=%s", device)
    return device


def _forget(ledger: Ledger, device: str, now_unix_s: float) -> str:
    known = known_device(ledger, device)
    log.info("event=forgotten device=%s", device)
    ledger.forget_placements(device)
    ledger.forget_incidents(device)
    ledger.forget_member(device)
    ledger.forget_device(device, now_unix_s)
    return known.id


def _ask_job(ledger: Ledger, intent: AskJob, now_unix_s: float) -> str:
    """The job that is asked for: the one that there is, or a new one. An ended one waits again only for a reason."""
    model, _ = _measured(ledger, intent.model)
    _refuse_nonsense(intent.work)
    job = identified(Job(id="", model=model.ref, work=intent.work, asked=True, created_unix_s=now_unix_s))
    known = ledger.get_job(job.id)
    if known is None or _runs_anew(ledger, model, known, intent.again):
        log.info("event=asked job=%s model=%s kind=%s key=%r", job.id, job.model, job.kind, job.key)
        ledger.put_job(job if known is None else replace(job, work=_budgeted(job.work, job.work, known.work)))
        return job.id
    known = replace(known, asked=True, work=_budgeted(known.work, job.work, known.work))
    ledger.put_job(known)
    if isinstance(intent.work, Prune) and intent.work.budget_s is not None:
        queue_refine(ledger, known, intent.again)
    return job.id


def _budgeted(work: Work, *told: Work) -> Work:
    """With the budget of the refine that is to follow it, from the first that tells one."""
    if not isinstance(work, Prune):
        return work
    budgets = [each.budget_s for each in told if isinstance(each, Prune) and each.budget_s is not None]
    return msgspec.structs.replace(work, budget_s=next(iter(budgets), None))


def _runs_anew(ledger: Ledger, model: Model, known: Job, again: bool) -> bool:
    """A job that failed or found nothing, where told so; the latter also where by now some variant is inside its caps.

    An infeasible job's detail would else be the answer for ever, whatever a ladder has made since.
    """
    if known.state is JobState.INFEASIBLE:
        variants = shippable(ledger.variants(model.ref), model.accuracy_floor)
        return again or any(each.runtime == known.caps.runtime and use(known.caps, each) <= 1 for each in variants)
    return known.state is JobState.FAILED and again


def _refuse_nonsense(work: Prune | Ladder | Unstructured) -> None:
    match work:
        case Prune(caps):
            budget_of(work.budget_s or 0.0)
            given = [cap for cap in (caps.ram_bytes, caps.storage_bytes, caps.latency_s) if cap is not None]
            if not given or not all(0 < cap < math.inf for cap in given):
                raise IntentError(400, "a prune needs a cap on RAM, storage or latency; each given one is above 0")
        case Ladder(rungs):
            if not 1 <= rungs <= MOST_RUNGS:
                raise IntentError(400, f"rungs {rungs}: 1 to {MOST_RUNGS} are allowed")
        case Unstructured(share):
            if not 0 < share < 1:
                raise IntentError(400, f"share {share}: above 0 and below 1 is allowed, as in 80 %")
        case _:
            assert_never(work)


def _measured(ledger: Ledger, ref: str) -> tuple[Model, Variant]:
    """The model and its dense variant. Raises `IntentError` where one of them is not there."""
    model = ledger.get_model(ref)
    if model is None:
        raise IntentError(404, f"model {ref!r} is not known; 'model list' shows those that are")
    dense = next((each for each in ledger.variants(model.ref) if each.dense), None)
    if dense is None:
        raise IntentError(409, f"model {model.ref} is not measured yet; 'model show {model.ref}' says how it is going")
    return model, dense


def _start_rollout(ledger: Ledger, intent: StartRollout, now_unix_s: float) -> str:
    selector = parse_selector(intent.selector)
    model, dense = _measured(ledger, intent.model)
    if dense.accuracy is None and not intent.allow_unverified:
        raise IntentError(409, f"model {model.ref} has unverified accuracy (no data): --allow-unverified rolls it out")
    if not shippable([dense], model.accuracy_floor):
        reason = below_floor(dense, model.accuracy_floor)
        raise IntentError(409, f"model {model.ref} may not ship: {reason}; what would do: {lower_floor(dense)}")
    waves = intent.waves or Rollout(id="", model="", selector="").waves
    if list(waves) != sorted(waves) or waves[0] <= 0 or waves[-1] != 1.0:
        raise IntentError(400, f"waves {waves}: growing shares above 0 that end at 1 are allowed, as in 0.1,0.5,1")
    rollout = Rollout(
        id=rollout_id(max((each.number for each in ledger.rollouts()), default=0) + 1),
        model=model.ref,
        selector=str(selector),
        waves=waves,
        started_unix_s=now_unix_s,
        wave_started_unix_s=now_unix_s,
    )
    log.info("event=rollout id=%s model=%s selector=%r state=running", rollout.id, rollout.model, rollout.selector)
    ledger.put_rollout(rollout)
    return rollout.id


def _abort(ledger: Ledger, rollout: str, now_unix_s: float) -> str:
    known = ledger.get_rollout(rollout)
    if known is None:
        raise IntentError(404, f"rollout {rollout!r} is not known; 'rollout list' shows those that are")
    if known.state is not RolloutState.RUNNING:
        raise IntentError(409, f"rollout {rollout} is {known.state}, only a running one can be aborted")
    ended = replace(known, state=RolloutState.ABORTED, finished_unix_s=now_unix_s, reason="aborted by the operator")
    log.info("event=rollout id=%s state=aborted", rollout)
    ledger.put_rollout(ended)
    return ended.id
