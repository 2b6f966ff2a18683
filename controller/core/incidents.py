"""An incident from its breach to its outcome: notice, diagnose, let the fit act on what was learned, watch it heal."""

from __future__ import annotations

from dataclasses import replace

from agent.wire.messages import Result
from controller.core import breach
from controller.core.actions import Action, Calibrate, OpenIncident, UpdateIncident
from controller.core.diagnose import diagnose
from controller.core.learned import stamped
from controller.core.nouns.incident import Incident, IncidentState
from controller.core.policy import DAY_S, Policy
from controller.core.standing import heard_until
from controller.core.view import DeviceView


def notice_breach(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Open an incident where the running variant breaches and the device is not being left alone."""
    desired, device = view.desired, view.device
    if view.incident is not None or desired is None or desired.result is not Result.SUCCEEDED or view.catalog is None:
        return []
    if _left_alone(view, policy, now_unix_s):
        return []
    found = breach.detect(device.profile, device.calibration, view.windows, policy)
    if found is None:
        return []
    number = len(view.past_incidents) + 1
    return [
        OpenIncident(
            Incident(
                id=f"{device.id}-{int(now_unix_s)}-{number}",
                device=device.id,
                kind=found.kind,
                evidence=found.evidence,
                from_variant=desired.sha256,
                opened_unix_s=now_unix_s,
            )
        )
    ]


def follow_incident(view: DeviceView, policy: Policy, now_unix_s: float) -> list[Action]:
    """Diagnose a new incident; close one that is healed, hopeless or too old."""
    incident = view.incident
    if incident is None:
        return []
    if incident.state is IncidentState.OPEN and (diagnosed := _diagnose(view, incident, policy, now_unix_s)):
        return diagnosed
    placement, desired = view.placement, view.desired
    if placement is not None and placement.sha256 is None and placement.waiting_for is None:
        return _close(incident, IncidentState.UNREPAIRED, placement.reason, now_unix_s)
    if desired is not None and desired.result is Result.SUCCEEDED and _healed(view, policy):
        return _close(
            replace(incident, to_variant=desired.sha256),
            IncidentState.REPAIRED,
            _how(incident, desired.sha256),
            now_unix_s,
        )
    if now_unix_s > heard_until(view, incident.opened_unix_s, policy.repair_deadline_s):
        return _close(incident, IncidentState.UNREPAIRED, "not inside its budget before the deadline", now_unix_s)
    return _diagnose(view, incident, policy, now_unix_s) if _still_breaches(view, incident, policy) else []


def repairing(view: DeviceView, policy: Policy) -> bool:
    """An incident is acting, and what was assigned for it, if anything yet, has not helped."""
    incident, desired = view.incident, view.desired
    if incident is None or incident.state is not IncidentState.ACTING:
        return False
    return desired is None or desired.incident != incident.id or _still_breaches(view, incident, policy)


def _still_breaches(view: DeviceView, incident: Incident, policy: Policy) -> bool:
    """The variant that this incident brought is not small enough: what it was made for has changed since."""
    desired, placement = view.desired, view.placement
    if desired is None or desired.incident != incident.id or desired.result is not Result.SUCCEEDED:
        return False
    if placement is None or placement.sha256 != desired.sha256:
        return False
    found = breach.detect(view.device.profile, view.device.calibration, view.windows, policy)
    return found is not None and found.kind is incident.kind


def _diagnose(view: DeviceView, incident: Incident, policy: Policy, now_unix_s: float) -> list[Action]:
    """From the newest windows only: older ones may be from before whatever has changed."""
    variant = view.variant
    if variant is None or not view.windows:
        return []
    device, newest = view.device, view.windows[-policy.breach_windows :]
    found = diagnose(incident.kind, device.profile, device.calibration, variant, newest)
    if found.calibration == device.calibration:
        return []
    acting = replace(incident, state=IncidentState.ACTING, diagnosis=f"{found.cause}: {found.text}")
    actions: list[Action] = [] if acting == incident else [UpdateIncident(acting)]
    if found.calibration is not None:
        by = f"incident {incident.id}"
        after = stamped(device.calibration, found.calibration, by=by, variant=variant, now_unix_s=now_unix_s)
        actions.append(Calibrate(device.id, after, by))
    return actions


def _healed(view: DeviceView, policy: Policy) -> bool:
    settled = view.placement is None or view.desired is None or view.placement.sha256 == view.desired.sha256
    return settled and breach.healthy(view.device.profile, view.device.calibration, view.windows, policy)


def _how(incident: Incident, sha256: str) -> str:
    return "passed by itself" if sha256 == incident.from_variant else "inside its budget on the new variant"


def _close(incident: Incident, state: IncidentState, outcome: str, now_unix_s: float) -> list[Action]:
    return [UpdateIncident(replace(incident, state=state, outcome=outcome, closed_unix_s=now_unix_s))]


def _left_alone(view: DeviceView, policy: Policy, now_unix_s: float) -> bool:
    closed = [each.closed_unix_s for each in view.past_incidents if each.closed_unix_s is not None]
    if closed and now_unix_s - max(closed) < policy.cooldown_s:
        return True
    today = [each for each in view.past_incidents if now_unix_s - each.opened_unix_s < DAY_S]
    return len(today) >= policy.incidents_a_day
