"""The fleet in a few figures, and what is under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.job import UNFINISHED
from controller.core.nouns.rollout import RolloutState
from controller.core.presence import Presence
from controller.store import Tx
from controller.web.device_views import Json
from controller.web.job_views import job_view
from controller.web.port import ControllerPort
from controller.web.views import incident_view, rollout_view

_NEWEST = 8


def product_version() -> str | None:
    """None in a source tree that is not installed."""
    try:
        return version("hedgerow")
    except PackageNotFoundError:
        return None


def health_view(tx: Tx, port: ControllerPort) -> Json:
    """`degraded` with the reasons while the controller itself has troubles; the database was read in any case."""
    troubles = port.troubles()
    return {
        "status": "degraded" if troubles else "ok",
        "reasons": troubles,
        "warnings": port.warnings(),
        "version": product_version(),
        **_counts(tx.devices(), port.presences()),
        "incidents_open": len(tx.incidents(open_only=True)),
        "rollouts_running": len(tx.rollouts(RolloutState.RUNNING)),
        "jobs_unfinished": len(tx.jobs(*UNFINISHED)),
    }


def overview(tx: Tx, port: ControllerPort) -> Json:
    return {
        **health_view(tx, port),
        "rollouts": [rollout_view(rollout) for rollout in tx.rollouts()[:_NEWEST]],
        "incidents": [incident_view(incident) for incident in tx.incidents()[:_NEWEST]],
        "jobs": [job_view(job) for job in tx.jobs(*UNFINISHED)[:_NEWEST]],
    }


def _counts(devices: list[Device], presences: Mapping[str, Presence]) -> Json:
    states = Counter(device.state for device in devices)
    present = Counter(presences.get(device.id, Presence.UNKNOWN) for device in devices)
    return {
        "devices": len(devices),
        **{f"devices_{presence}": present[presence] for presence in Presence},
        **{f"devices_{state}": states[state] for state in DeviceState},
    }
