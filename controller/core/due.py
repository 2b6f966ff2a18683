"""When time alone may change what a rule says of a device: then it has to be looked at again, though nothing happened.

Each moment here is one that some rule compares `now` with. One too many costs a look; one that is forgotten is a device
asleep, so a test holds every rule to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from controller.core.nouns.calibration import Learned
from controller.core.policy import DAY_S, Policy
from controller.core.standing import heard_until
from controller.core.view import DeviceView

_JUST_AFTER_S = 1e-3
"""Some rules ask whether a duration has passed, others whether it is exceeded; sums of floats are off by less."""


def due(view: DeviceView, policy: Policy, now_unix_s: float) -> float:
    """The next moment, in Unix seconds; infinity where there is none."""
    moments = (moment for each in _moments(view, policy) for moment in (each, each + _JUST_AFTER_S))
    return min((each for each in moments if each > now_unix_s), default=math.inf)


def _moments(view: DeviceView, policy: Policy) -> Iterator[float]:
    if view.sent_unix_s is not None:
        yield view.sent_unix_s + policy.resend_s
    yield from _of_assignment(view, policy)
    if view.incident is not None:
        yield heard_until(view, view.incident.opened_unix_s, policy.repair_deadline_s)
    for past in view.past_incidents:
        yield past.opened_unix_s + DAY_S
        yield (past.closed_unix_s or 0.0) + policy.cooldown_s
    for learned in view.device.calibration.learned.values():
        yield _refutable(learned, policy)


def _of_assignment(view: DeviceView, policy: Policy) -> Iterator[float]:
    desired = view.desired
    if desired is None:
        return
    if desired.finished_unix_s is not None:
        yield desired.finished_unix_s + policy.retry_s
        yield desired.finished_unix_s + policy.soak_s
    elif (rollout := view.rollout or view.owner) is not None:
        yield heard_until(view, desired.issued_unix_s, rollout.deadline_s)


def _refutable(learned: Learned, policy: Policy) -> float:
    since = learned.doubted_unix_s
    return -math.inf if since is None else since + policy.refute_s * 2**learned.again
