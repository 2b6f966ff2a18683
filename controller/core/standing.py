"""Where a device stands in its rollout, for the wave gates: from its placement and its newest assignment."""

from __future__ import annotations

import math

from agent.wire.messages import Result
from controller.core.nouns.desired import Desired
from controller.core.nouns.member import Standing
from controller.core.nouns.placement import Placement
from controller.core.nouns.rollout import Rollout
from controller.core.policy import Policy
from controller.core.speaks import foreign, unread
from controller.core.view import DeviceView


def standing(view: DeviceView, policy: Policy, now_unix_s: float) -> Standing:
    """Where a device stands in its rollout, for the wave gates."""
    placement, desired, rollout = view.placement, desired_here(view), view.rollout
    if rollout is None or placement is None or placement.model != rollout.model:
        return Standing.UNPLACED
    if desired is not None and failed(desired) and _hopeless(view, placement, desired, policy):
        return Standing.REFUSED if unread(view.device, desired) else Standing.FAILED
    if placement.sha256 is None:
        return Standing.WAITING if placement.waiting_for else Standing.INFEASIBLE
    if foreign(view.device) and (desired is None or failed(desired) or desired.sha256 != placement.sha256):
        return Standing.REFUSED
    if desired is None:
        return Standing.READY
    if desired.sha256 != placement.sha256:
        return Standing.READY if desired.rollout != rollout.id else Standing.RUNNING
    if desired.result is None:
        return Standing.FAILED if silent(view, desired, rollout, now_unix_s) else Standing.RUNNING
    return Standing.RUNNING if failed(desired) else soak(view, desired, rollout, policy, now_unix_s)


def silent(view: DeviceView, desired: Desired, rollout: Rollout, now_unix_s: float) -> bool:
    """It has not answered in time; that stays so until it does."""
    member = view.member
    told = member is not None and (member.rollout, member.standing) == (rollout.id, Standing.FAILED)
    if told and member is not None and member.since_unix_s >= desired.issued_unix_s:
        return True
    return now_unix_s > heard_until(view, desired.issued_unix_s, rollout.deadline_s)


def heard_until(view: DeviceView, since_unix_s: float, lasts_s: float) -> float:
    """When a silence `since` then has lasted so long. Without a link nobody is heard: while ours is down no time is
    over, and after more than a short outage it begins anew."""
    return math.inf if view.linked_unix_s is None else max(since_unix_s, view.linked_unix_s) + lasts_s


def soak(view: DeviceView, desired: Desired, rollout: Rollout, policy: Policy, now_unix_s: float) -> Standing:
    """It runs: within its budget for a while is success, an incident that was not repaired is failure."""
    since = now_unix_s if desired.finished_unix_s is None else desired.finished_unix_s
    if _unrepaired(view, max(since, rollout.started_unix_s)):
        return Standing.FAILED
    soaked = now_unix_s - since >= policy.soak_s
    return Standing.SUCCEEDED if soaked and view.incident is None else Standing.SOAKING


def _unrepaired(view: DeviceView, since_unix_s: float) -> bool:
    """The last incident that closed since then did not end well."""
    closed = [(each.closed_unix_s or 0.0, each.repaired) for each in view.past_incidents]
    ended = [(when, repaired) for when, repaired in closed if when >= since_unix_s]
    return bool(ended) and not max(ended)[1]


def _hopeless(view: DeviceView, placement: Placement, desired: Desired, policy: Policy) -> bool:
    """After a failure: no attempt is left, or no other variant is coming and the same one would fail again."""
    return desired.attempts >= policy.attempts or (placement.sha256 == desired.sha256 and not may_pass(view))


def failed(desired: Desired) -> bool:
    return desired.result not in (None, Result.SUCCEEDED)


def desired_here(view: DeviceView) -> Desired | None:
    """The newest assignment, unless it failed in another rollout: what failed there may be tried here.

    Who no rollout holds is in none.
    """
    desired, here = view.desired, None if view.rollout is None else view.rollout.id
    return None if desired is None or (desired.rollout != here and failed(desired)) else desired


def may_pass(view: DeviceView) -> bool:
    """A failure that may pass by itself, or a device that fell back to another variant after a success."""
    reported = view.device.reported
    if reported is None or reported.failure is None:
        return True
    return reported.failure.temporary and reported.result is not Result.REJECTED
