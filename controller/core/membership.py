"""Which rollout owns a device, whether that still says what it is to run, and where the device stands in it.

This is the one rule that says so; what it says is stored, and all others read that. A device is owned by the rollout
that it joined last, whatever became of it: only starting, joining late and being superseded change that. So no older
rollout gets a device back that a newer one took and gave up. A rollout that owns a device *holds* it while it runs or
has finished and its selector matches; what no rollout holds runs on, and is watched (`core/keep.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import takewhile

from agent.wire.messages import Result
from agent.wire.units import Unit, format_quantity
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.member import ENDED, GONE, NOT_IN_WAVES, Member, Standing
from controller.core.nouns.owner import Owner
from controller.core.nouns.rollout import LIVE, Rollout, RolloutState
from controller.core.policy import Policy
from controller.core.speaks import foreign
from controller.core.standing import failed, silent, soak, standing
from controller.core.view import DeviceView

Matches = Callable[[Rollout, Device], bool]


@dataclass(frozen=True, slots=True)
class Join:
    """A rollout owns the device from now on, as `owner` says. `left` is what stays of it in the one before, where that
    is news."""

    owner: Owner
    member: Member
    left: Member | None = None


def joins(device: Device, owning: Rollout | None, live: Iterable[Rollout], matches: Matches) -> Rollout | None:
    """The rollout that the device joins now: the newest of the `live` ones (newest first) that matches it.

    While the rollout that owns it matches it too, only a newer one takes it over; be that one aborted since.
    """
    if device.state is not DeviceState.ACCEPTED:
        return None
    above = owning.number if owning is not None and matches(owning, device) else 0
    newer = takewhile(lambda each: each.number > above, live)
    return next((each for each in newer if matches(each, device)), None)


def holds(
    rollout: Rollout, device: Device, matches: Matches, member: Member | None = None, desired: Desired | None = None
) -> bool:
    """Does the rollout that owns the device, as this `member`, say what it is to run?

    Who failed in one that has finished all the same, and fell back to what ran before, was let go of.
    """
    if device.state is not DeviceState.ACCEPTED or rollout.state not in LIVE or not matches(rollout, device):
        return False
    return rollout.state is RolloutState.RUNNING or not _fell_back(rollout, device, member, desired)


def _fell_back(rollout: Rollout, device: Device, member: Member | None, desired: Desired | None) -> bool:
    if member is None or member.standing is not Standing.FAILED or not member.attempt or desired is None:
        return False
    runs = None if device.reported is None else device.reported.sha256
    return desired.rollout != rollout.id or (failed(desired) and runs not in (None, desired.sha256))


def join(
    device: Device,
    live: Iterable[Rollout],
    matches: Matches,
    now_unix_s: float,
    *,
    owning: Rollout | None = None,
    member: Member | None = None,
) -> Join | None:
    """What is written down where the device joins another rollout than the one `owning` it, where it is a `member`."""
    joined = joins(device, owning, live, matches)
    if joined is None:
        return None
    before = None if owning is None else owning.id
    return Join(
        Owner(device=device.id, rollout=joined.id, before=before, since_unix_s=now_unix_s),
        Member(rollout=joined.id, device=device.id, since_unix_s=now_unix_s),
        None if member is None or owning is None else _left(member, owning, joined, now_unix_s),
    )


def _left(member: Member, rollout: Rollout, by: Rollout, now_unix_s: float) -> Member | None:
    """As it stays in the rollout that owned it before. How it ended there is kept, once that has ended as well."""
    settled = member.standing in (*ENDED, *NOT_IN_WAVES)
    if rollout.state is not RolloutState.RUNNING and settled:
        return None
    return _moved(member, Standing.LEFT, now_unix_s, f"it joined {by.id}", None)


def stand(view: DeviceView, policy: Policy, now_unix_s: float) -> Member | None:
    """The member as it is now, where that is news."""
    owner = view.owner
    if owner is None:
        return None
    known = view.member or Member(rollout=owner.id, device=view.device.id, since_unix_s=now_unix_s)
    now = _now(view, owner, known, policy, now_unix_s)
    return None if now == view.member else now


def _now(view: DeviceView, owner: Rollout, known: Member, policy: Policy, now_unix_s: float) -> Member:
    if view.rollout is not None:
        stands = standing(view, policy, now_unix_s)
    elif owner.state is RolloutState.RUNNING:
        return _moved(known, Standing.LEFT, now_unix_s, _why_left(view.device), None)
    elif _assigned(view, owner) and view.device.state is DeviceState.ACCEPTED:
        stands = _brought(view, owner, policy, now_unix_s)
    else:
        return known
    desired = view.desired if _assigned(view, owner) else None
    moved = _moved(known, stands, now_unix_s, _why(view, stands, owner), _due(stands, desired, owner, policy))
    wave = owner.wave if known.wave is None and stands in GONE else known.wave
    return replace(moved, wave=wave, attempt=known.attempt if desired is None else desired.attempts)


def _moved(member: Member, stands: Standing, now_unix_s: float, reason: str, due_unix_s: float | None) -> Member:
    since = member.since_unix_s if stands is member.standing else now_unix_s
    return replace(member, standing=stands, since_unix_s=since, reason=reason, due_unix_s=due_unix_s)


def _assigned(view: DeviceView, owner: Rollout) -> bool:
    """Its newest assignment is of that rollout."""
    return view.desired is not None and view.desired.rollout == owner.id


def _brought(view: DeviceView, owner: Rollout, policy: Policy, now_unix_s: float) -> Standing:
    """What a rollout had begun when it failed or was aborted goes on to its end."""
    desired = view.desired
    assert desired is not None  # it is assigned
    if desired.result is None:
        return Standing.FAILED if silent(view, desired, owner, now_unix_s) else Standing.RUNNING
    return Standing.FAILED if failed(desired) else soak(view, desired, owner, policy, now_unix_s)


def _why(view: DeviceView, stands: Standing, owner: Rollout) -> str:
    """Why it does not get on; empty where it does."""
    placement, desired = view.placement, view.desired
    match stands:
        case Standing.INFEASIBLE | Standing.WAITING:
            return "" if placement is None else placement.reason
        case Standing.REFUSED:
            return foreign(view.device)
        case Standing.FAILED if desired is not None and desired.result is None:
            return f"no answer within {format_quantity(owner.deadline_s, Unit.SECONDS)}"
        case Standing.FAILED if desired is not None and not failed(desired):
            return _unrepaired(view)
        case Standing.FAILED | Standing.RUNNING:
            return desired.reason if desired is not None and desired.result is not Result.SUCCEEDED else ""
        case _:
            return ""


def _unrepaired(view: DeviceView) -> str:
    last = max(view.past_incidents, key=lambda each: each.closed_unix_s or 0.0, default=None)
    return "" if last is None else f"incident {last.id}: {last.outcome}"


def _why_left(device: Device) -> str:
    is_accepted = device.state is DeviceState.ACCEPTED
    return "its labels match no more" if is_accepted else f"it is {device.state}"


def _due(stands: Standing, desired: Desired | None, owner: Rollout, policy: Policy) -> float | None:
    """When time alone ends that, at the earliest: while our own link is down it does not."""
    if desired is None:
        return None
    ended = desired.finished_unix_s
    match stands:
        case Standing.RUNNING if ended is None:
            return desired.issued_unix_s + owner.deadline_s
        case Standing.RUNNING if ended is not None:
            return ended + policy.retry_s
        case Standing.SOAKING if ended is not None:
            return ended + policy.soak_s
        case _:
            return None
