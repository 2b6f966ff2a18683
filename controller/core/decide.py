"""The loop's decision: compare what is desired with what is observed, and say what to do.

Level-triggered. Every rule looks at facts, none at messages; the first rule of a device that has something to do wins,
its actions are performed and recorded, and the device is looked at again. When no rule answers, all is as it should be.
"""

from __future__ import annotations

from dataclasses import replace

from agent.wire.messages import Reported, Result
from controller.core import calibrate
from controller.core.actions import (
    Action,
    Assign,
    Calibrate,
    FinishDesired,
    Place,
    QueuePrune,
    SendDesired,
    UpdateRollout,
)
from controller.core.bounds import within
from controller.core.choose import better
from controller.core.envelope import Impossible, collapse
from controller.core.fit import WELL_USED, Fit, Fitted, Infeasible, NeedsPrune, Prune, fit
from controller.core.incidents import follow_incident, notice_breach, repairing
from controller.core.jobs import audited, decide_jobs
from controller.core.learned import TRIAL, stamped
from controller.core.mark import given_up, overtaken
from controller.core.policy import Policy
from controller.core.refute import refute
from controller.core.standing import desired_here, failed, may_pass, standing
from controller.core.types import Desired, DeviceState, Placement, RolloutState
from controller.core.view import DeviceView, View
from controller.core.waves import advance

# An incumbent that was measured inside its budget is not replaced because an upper bound with margins says otherwise.
_INCUMBENT_TOLERANCE = 0.1


def decide(view: View, policy: Policy, now_unix_s: float) -> list[Action]:
    """Everything to do about `view`, in order. Empty when desired and observed agree.

    Rollouts and jobs are judged once the devices at hand are settled: one that failed a trial may be about to get
    another variant, and one that waits for a prune may be served by what has just been made.
    """
    actions = [action for device in view.devices for action in decide_device(device, policy, now_unix_s)]
    if actions:
        return actions
    for rollout in view.rollouts:
        members = [standing(each, policy, now_unix_s) for each in view.members.get(rollout.id, ())]
        moved = advance(rollout, members, now_unix_s)
        if moved is not None:
            actions.append(UpdateRollout(moved))
    return actions + decide_jobs(view.jobs, view.waited_for, view.needed, policy, now_unix_s)


def decide_device(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    if view.device.state is not DeviceState.ACCEPTED:
        return []
    for rule in (settle, heal, follow_incident, notice_breach, refute, place, assign, improve):
        actions = rule(view, policy, now_unix_s)
        if actions:
            return actions
    return []


def settle(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """How the device says that its newest assignment ended is news: write it down, and learn from its trial."""
    desired, reported = view.desired, view.device.reported
    if desired is None or reported is None:
        return []
    if overtaken(reported, desired):
        stale = given_up(reported, desired, policy)
        ended = FinishDesired(desired.device, desired.epoch, desired.seq, Result.REJECTED, stale or "")
        return [ended] if stale else []
    if reported.result is None or not _answers(reported, desired):
        return []
    result, reason = _outcome(reported, desired)
    if result == desired.result:
        return []
    ended = FinishDesired(desired.device, desired.epoch, desired.seq, result, reason)
    return [ended, *_learn(view, now_unix_s)] if desired.result is None else [ended]


def heal(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """The device never got its assignment or lost it, or what it said of its end was lost: send it again.

    A device that has it says how it is going, and does nothing else about it. One whose mark is above it refuses it for
    ever: `assign` makes the next one.
    """
    desired, reported = view.desired, view.device.reported
    if desired is None or failed(desired) or not view.device.online or overtaken(reported, desired):
        return []
    if reported is not None and _answers(reported, desired) and desired.result is not None:
        return []
    due = view.sent_unix_s is None or now_unix_s - view.sent_unix_s >= policy.resend_s
    return [SendDesired(desired.device)] if due else []


def place(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Fit the rollout's model to the device. What it was given stays while it fits; a prune may be wanted beside it."""
    if view.rollout is None or view.catalog is None:
        return []
    old, kept = view.placement, _kept(view, policy)
    found = fit(view.device.profile, view.device.calibration, view.catalog, policy.attempts, kept)
    here = old is not None and old.rollout in (None, view.rollout.id)
    stays = old is not None and here and kept is not None and _given(view, old)
    if stays and old is not None:
        found = _unless_asked_again(found, old)
    new = placement_of(view.device.id, view.catalog.model.ref, found, now_unix_s)
    if stays and old is not None:
        fits = isinstance(found, Fitted)
        new = replace(old, waiting_for=new.waiting_for if fits else None, reason=new.reason if fits else "")
    new = replace(new, rollout=view.rollout.id, offered=here and old is not None and old.offered)
    new = _withdrawn(view, new)
    changed = old is None or replace(old, decided_unix_s=0.0) != replace(new, decided_unix_s=0.0)
    return [*_wanted(view, found, policy), *([Place(new)] if changed else [])]


def improve(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Offer a variant made since that is shown to be better than what runs: once a device and rollout, when that ended.

    The rollout's waves are over by then, and the device has had its soak; a better variant opens neither again. What
    was there when the device was assigned was not chosen; another preference counts from the next rollout on.
    """
    placement, rollout, catalog = view.placement, view.rollout, view.catalog
    if placement is None or rollout is None or catalog is None or not _settled(view, policy, now_unix_s):
        return []
    if rollout.state is not RolloutState.FINISHED or placement.offered or placement.rollout != rollout.id:
        return []
    found = fit(view.device.profile, view.device.calibration, catalog, policy.attempts, placement.sha256)
    running = catalog.variant(placement.sha256 or "")
    if running is None or not isinstance(found, Fitted) or not better(found.variant, running, catalog.model):
        return []
    if view.desired is None or found.variant.created_unix_s <= view.desired.issued_unix_s:
        return []
    new = placement_of(view.device.id, catalog.model.ref, found, now_unix_s)
    return [Place(replace(new, rollout=rollout.id, offered=True))]


def assign(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """The fit and the newest assignment differ, or the assignment failed in a way that may pass: make the next one."""
    placement, desired, rollout = view.placement, desired_here(view), view.rollout
    if placement is None or placement.sha256 is None or rollout is None or not view.admitted:
        return []
    if placement.model != rollout.model:
        return []
    attempts = _next_attempt(view, placement, desired, policy, now_unix_s)
    if attempts is None:
        return []
    incident = view.incident.id if view.incident is not None else None
    return [Assign(view.device, placement, placement.sha256, rollout.id, incident, attempts)]


def placement_of(device: str, model: str, fitted: Fit, now_unix_s: float) -> Placement:
    """The fit's answer as the fact that is stored and shown."""
    match fitted:
        case Fitted(variant, binding, envelope, prune):
            return Placement(
                device=device, model=model, feasible=True, binding=binding, envelope=envelope, sha256=variant.sha256,
                waiting_for=prune.caps.key if prune is not None and prune.pays else None,
                reason=_outlook(prune), decided_unix_s=now_unix_s,
            )  # fmt: skip
        case NeedsPrune(caps, binding, envelope):
            return Placement(
                device=device, model=model, feasible=True, binding=binding, envelope=envelope,
                waiting_for=caps.key, reason="a variant is being pruned to this envelope", decided_unix_s=now_unix_s,
            )  # fmt: skip
        case Infeasible(binding, envelope, reason, relaxations, _, waiting_for):
            return Placement(
                device=device, model=model, feasible=False, binding=binding, envelope=envelope,
                waiting_for=waiting_for, reason=reason, relaxations=relaxations, decided_unix_s=now_unix_s,
            )  # fmt: skip


def _outlook(prune: Prune | None) -> str:
    """What becomes of the prune that might make a better variant, and why."""
    if prune is None:
        return ""
    if prune.prediction is None:
        return "a variant is being pruned to this envelope"
    points = f"{max(prune.prediction.high, 0.0) * 100:.1f} points"
    told = f"a variant made for this envelope is predicted to win at most {points} (modelled)"
    return f"{told}; it is being made" if prune.pays else f"{told}; not worth a job"


def _wanted(view: DeviceView, found: Fit, policy: Policy) -> list[Action]:
    """The prune to write down, unless it is: one that is needed or pays, or one in so many of those that do not."""
    assert view.catalog is not None
    ref, jobs = view.catalog.model.ref, view.catalog.jobs
    match found:
        case NeedsPrune(caps) if caps.key not in jobs:
            return [QueuePrune(ref, caps)]
        case Fitted(prune=Prune(caps, prediction, pays)) if caps.key not in jobs:
            audit = not pays and audited(ref, caps, policy)
            return [QueuePrune(ref, caps, prediction, audit)] if pays or audit else []
        case _:
            return []


def _unless_asked_again(found: Fit, old: Placement) -> Fit:
    """A device that runs what fits asks for no further prune as its calibration drifts, unless one is shown to pay."""
    match found:
        case Fitted(prune=Prune(caps, None)) if caps.key != old.waiting_for:
            return replace(found, prune=None)
        case _:
            return found


def _kept(view: DeviceView, policy: Policy) -> str | None:
    """The variant that the device was given, where it still fits."""
    placement, catalog = view.placement, view.catalog
    if placement is None or catalog is None or placement.model != catalog.model.ref or placement.sha256 is None:
        return None
    variant = catalog.variant(placement.sha256)
    profile, calibration = view.device.profile, view.device.calibration
    envelope = collapse(profile, calibration, catalog.ram_base_bytes(profile.runtime))
    if variant is None or variant.runtime != profile.runtime or isinstance(envelope, Impossible):
        return None
    if not variant.dense and envelope.roomier_than(placement.envelope, WELL_USED):
        return None
    fits = within(profile, calibration, envelope, variant, _tolerance(view, placement, policy))
    return variant.sha256 if fits else None


def _given(view: DeviceView, placement: Placement) -> bool:
    """The device has been assigned what it was placed with, or will be after an offer; it is not chosen anew."""
    desired = desired_here(view)
    return placement.offered or (desired is not None and desired.sha256 == placement.sha256)


def _settled(view: DeviceView, policy: Policy, now_unix_s: float) -> bool:
    """It has run what it was placed with, in peace, for as long as a wave would ask of it."""
    placement, desired = view.placement, view.desired
    if placement is None or desired is None or view.incident is not None or desired.result != Result.SUCCEEDED:
        return False
    soaked = now_unix_s - (desired.finished_unix_s or now_unix_s) >= policy.soak_s
    return soaked and desired.sha256 == placement.sha256


def _withdrawn(view: DeviceView, placement: Placement) -> Placement:
    """A better variant that was offered and failed is let go: the device keeps what it runs."""
    desired, reported = view.desired, view.device.reported
    if not placement.offered or desired is None or not failed(desired) or desired.sha256 != placement.sha256:
        return placement
    running = None if reported is None or view.catalog is None else view.catalog.variant(reported.sha256 or "")
    return placement if running is None else replace(placement, sha256=running.sha256)


def _tolerance(view: DeviceView, placement: Placement, policy: Policy) -> float:
    desired = view.desired
    proven = desired is not None and desired.result == Result.SUCCEEDED and desired.sha256 == placement.sha256
    return _INCUMBENT_TOLERANCE if proven and not repairing(view, policy) else 0.0


def _next_attempt(
    view: DeviceView, placement: Placement, desired: Desired | None, policy: Policy, now_unix_s: float
) -> int | None:
    """The number of the attempt to make now, or None to leave things as they are."""
    if desired is None:
        return 1
    if overtaken(view.device.reported, desired) and not failed(desired):
        due = view.sent_unix_s is None or now_unix_s - view.sent_unix_s >= policy.resend_s
        return desired.attempts + 1 if due else None
    changed = desired.sha256 != placement.sha256 or desired.model != placement.model
    if not failed(desired):
        return 1 if changed else None
    if desired.attempts >= policy.attempts:
        return None
    paused = now_unix_s - (desired.finished_unix_s or 0.0) >= policy.retry_s
    return desired.attempts + 1 if changed or (paused and may_pass(view)) else None


def _answers(reported: Reported, desired: Desired) -> bool:
    return (reported.epoch, reported.seq) == (desired.epoch, desired.seq)


def _outcome(reported: Reported, desired: Desired) -> tuple[str, str]:
    """The result as the device reports it, save that what runs is the truth: a success that runs another is none."""
    if reported.result is Result.SUCCEEDED and reported.sha256 != desired.sha256:
        return Result.FAILED_ROLLED_BACK, f"the device runs {(reported.sha256 or 'nothing')[:12]}"
    failure = "" if reported.failure is None else str(reported.failure)
    return str(reported.result), ": ".join(part for part in (failure, reported.reason) if part)


def _learn(view: DeviceView, now_unix_s: float) -> list[Action]:
    desired, reported, catalog = view.desired, view.device.reported, view.catalog
    trial = reported.trial if reported is not None else None
    if desired is None or catalog is None or trial is None or trial.sha256 != desired.sha256:
        return []
    variant = catalog.variant(trial.sha256)
    if variant is None:
        return []
    profile, before = view.device.profile, view.device.calibration
    after = calibrate.learn_from_trial(profile, before, variant, trial)
    if after == before:
        return []
    after = stamped(before, after, by=TRIAL, variant=variant, now_unix_s=now_unix_s)
    return [Calibrate(view.device.id, after, TRIAL)]
