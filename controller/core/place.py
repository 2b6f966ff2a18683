"""Where the fit's answer becomes a device's placement: what it is given, what it waits for, what it is offered."""

from __future__ import annotations

from dataclasses import replace

from agent.wire.messages import Result
from controller.core.actions import Action, Place, QueuePrune
from controller.core.choose import better
from controller.core.fit import Fit, Fitted, Infeasible, NeedsPrune, Proposal, fit
from controller.core.incumbent import still_fits
from controller.core.jobs import audited
from controller.core.nouns.device import Device
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import RolloutState
from controller.core.nouns.work import Prediction, Prune
from controller.core.policy import Policy
from controller.core.speaks import foreign
from controller.core.standing import desired_here, failed
from controller.core.view import DeviceView


def place(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Fit the rollout's model to the device. What it was given stays while it fits; a prune may be wanted beside it."""
    if view.fitted or view.rollout is None or view.catalog is None:
        return []
    old, kept = view.placement, still_fits(view, policy)
    found = fit(view.device.profile, view.device.calibration, view.catalog, policy.attempts, kept)
    here = old is not None and old.rollout in (None, view.rollout.id)
    staying = old if old is not None and here and kept is not None and _given(view, old) else None
    if staying is not None:
        found = _unless_asked_again(found, staying)
    new = placement_of(view.device.id, view.catalog.model.ref, found, now_unix_s)
    if staying is not None:
        fits = isinstance(found, Fitted)
        new = replace(staying, waiting_for=new.waiting_for if fits else None, reason=new.reason if fits else "")
    new = replace(new, rollout=view.rollout.id, offered=here and old is not None and old.offered)
    new = told(view.device, _withdrawn(view, new))
    return [*wanted(view, found, policy), *([] if same(old, new) else [Place(new)])]


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
    if foreign(view.device):
        return []
    if view.desired is None or not catalog.newer_than(view.desired.issued_unix_s):
        return []
    found = fit(view.device.profile, view.device.calibration, catalog, policy.attempts, placement.sha256)
    running = catalog.variant(placement.sha256 or "")
    if running is None or not isinstance(found, Fitted) or not better(found.variant, running, catalog.model):
        return []
    if found.variant.created_unix_s <= view.desired.issued_unix_s:
        return []
    new = placement_of(view.device.id, catalog.model.ref, found, now_unix_s)
    return [Place(replace(new, rollout=rollout.id, offered=True))]


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


def _outlook(prune: Proposal | None) -> str:
    """What becomes of the prune that might make a better variant, and why."""
    if prune is None:
        return ""
    if prune.prediction is None:
        return "a variant is being pruned to this envelope"
    points = f"{max(prune.prediction.high, 0.0) * 100:.1f} points"
    told = f"a variant made for this envelope is predicted to win at most {points} (modelled)"
    return f"{told}; it is being made" if prune.pays else f"{told}; not worth a job"


def same(old: Placement | None, new: Placement) -> bool:
    """It says the same, whenever it was decided."""
    return old is not None and replace(old, decided_unix_s=0.0) == replace(new, decided_unix_s=0.0)


def wanted(view: DeviceView, found: Fit, policy: Policy) -> list[Action]:
    """The prune to write down, unless it is: one that is needed or pays, or one in so many of those that do not."""
    assert view.catalog is not None
    ref, jobs = view.catalog.model.ref, view.catalog.jobs
    match found:
        case NeedsPrune(caps) if caps.key not in jobs:
            return [QueuePrune(ref, Prune(caps))]
        case Fitted(prune=Proposal(caps, prediction, pays)) if caps.key not in jobs:
            audit = not pays and audited(ref, caps, policy)
            return [QueuePrune(ref, Prune(caps, prediction, audit))] if pays or audit else []
        case Fitted(prune=Proposal(caps, Prediction() as prediction, True)) if _wins_less(prediction, jobs[caps.key]):
            return [QueuePrune(ref, Prune(caps, prediction))]
        case _:
            return []


def _wins_less(prediction: Prediction, job: Job) -> bool:
    """What the queued prune would win shrank, as something better fits by now."""
    match job:
        case Job(state=JobState.QUEUED, work=Prune(prediction=known)):
            return known is None or prediction.win < known.win
        case _:
            return False


def _unless_asked_again(found: Fit, old: Placement) -> Fit:
    """A device that runs what fits asks for no further prune as its calibration drifts, unless one is shown to pay."""
    match found:
        case Fitted(prune=Proposal(caps, None)) if caps.key != old.waiting_for:
            return replace(found, prune=None)
        case _:
            return found


def _given(view: DeviceView, placement: Placement) -> bool:
    """The device has been assigned what it was placed with, or will be after an offer; it is not chosen anew."""
    desired = desired_here(view)
    return placement.offered or (desired is not None and desired.sha256 == placement.sha256)


def _settled(view: DeviceView, policy: Policy, now_unix_s: float) -> bool:
    """It has run what it was placed with, in peace, for as long as a wave would ask of it."""
    placement, desired = view.placement, view.desired
    if placement is None or desired is None or view.incident is not None or desired.result is not Result.SUCCEEDED:
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


def told(device: Device, placement: Placement) -> Placement:
    """With the reason why a device that fits is given nothing all the same."""
    refused = foreign(device)
    return replace(placement, reason=refused) if refused and placement.feasible else placement
