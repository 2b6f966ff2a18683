"""The loop's decision: compare what is desired with what is observed, and say what to do.

Level-triggered. Every rule looks at facts, none at messages; the first rule of a device that has something to do wins,
its actions are performed and recorded, and the device is looked at again. When no rule answers, all is as it should be.
"""

from __future__ import annotations

from agent.wire.messages import Reported, Result
from controller.core import calibrate
from controller.core.actions import (
    Action,
    Assign,
    Calibrate,
    FinishDesired,
    SendDesired,
)
from controller.core.incidents import follow_incident, notice_breach
from controller.core.keep import keep
from controller.core.learned import TRIAL, stamped
from controller.core.mark import given_up, overtaken
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import DeviceState
from controller.core.nouns.placement import Placement
from controller.core.place import improve, place
from controller.core.policy import Policy
from controller.core.presence import Presence
from controller.core.refute import refute
from controller.core.speaks import foreign, outdated, readable
from controller.core.standing import desired_here, failed, may_pass
from controller.core.view import DeviceView


def decide(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """What to do about a device. Empty when desired and observed agree.

    Its rollout (`core/waves.py`) and the jobs (`core/jobs.py`) are judged once the devices at hand are settled.
    """
    if view.device.state is not DeviceState.ACCEPTED:
        return []
    for rule in (settle, heal, follow_incident, notice_breach, refute, place, keep, assign, improve):
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
    result, reason = _outcome(reported.result, reported, desired)
    if result is desired.result:
        return []
    ended = FinishDesired(desired.device, desired.epoch, desired.seq, result, reason)
    return [ended, *_learn(view, now_unix_s)] if desired.result is None else [ended]


def heal(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """The device never got its assignment or lost it, or what it said of its end was lost: send it again.

    Once to everybody since our link came up, as the broker keeps it for who is away, and again to who is there. Who
    has it says how it is going, and does nothing else about it. One whose mark is above it refuses it for ever, and one
    whose agent was updated cannot read it: `assign` makes the next one.
    """
    desired, reported = view.desired, view.device.reported
    if desired is None or failed(desired) or overtaken(reported, desired):
        return []
    if not readable(view.device, desired):
        return []
    if reported is not None and _answers(reported, desired) and desired.result is not None:
        return []
    if view.sent_unix_s is None:
        return [SendDesired(desired.device)]
    due = view.presence is Presence.ONLINE and now_unix_s - view.sent_unix_s >= policy.resend_s
    return [SendDesired(desired.device)] if due else []


def assign(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """The fit and the newest assignment differ, or the assignment failed in a way that may pass: make the next one."""
    placement, desired, rollout = view.placement, desired_here(view), view.rollout
    if placement is None or placement.sha256 is None or view.catalog is None or not view.admitted:
        return []
    if placement.model != view.catalog.model.ref or foreign(view.device):
        return []
    attempts = _next_attempt(view, placement, desired, policy, now_unix_s)
    if attempts is None:
        return []
    incident = view.incident.id if view.incident is not None else None
    of = None if rollout is None else rollout.id
    return [Assign(view.device, placement, placement.sha256, of, incident, attempts)]


def _next_attempt(
    view: DeviceView, placement: Placement, desired: Desired | None, policy: Policy, now_unix_s: float
) -> int | None:
    """The number of the attempt to make now, or None to leave things as they are."""
    if desired is None:
        return 1
    if overtaken(view.device.reported, desired) and not failed(desired):
        due = view.sent_unix_s is None or now_unix_s - view.sent_unix_s >= policy.resend_s
        return desired.attempts + 1 if due else None
    if outdated(view.device, desired):
        return desired.attempts
    changed = desired.sha256 != placement.sha256 or desired.model != placement.model
    if not failed(desired):
        return 1 if changed else None
    if desired.attempts >= policy.attempts:
        return None
    paused = now_unix_s - (desired.finished_unix_s or 0.0) >= policy.retry_s
    return desired.attempts + 1 if changed or (paused and may_pass(view)) else None


def _answers(reported: Reported, desired: Desired) -> bool:
    return (reported.epoch, reported.seq) == (desired.epoch, desired.seq)


def _outcome(result: Result, reported: Reported, desired: Desired) -> tuple[Result, str]:
    """The result as the device reports it, save that what runs is the truth: a success that runs another is none."""
    if result is Result.SUCCEEDED and reported.sha256 != desired.sha256:
        return Result.FAILED_ROLLED_BACK, f"the device runs {(reported.sha256 or 'nothing')[:12]}"
    failure = "" if reported.failure is None else str(reported.failure)
    return result, ": ".join(part for part in (failure, reported.reason) if part)


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
