"""What one view of a device is made of, gathered in one transaction and few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.types import Desired, Device, Incident, Placement, StoredWindow
from controller.store import Tx


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """`placement` is the newest decision, of whichever model; `incident` the newest that is still open."""

    device: Device
    placement: Placement | None = None
    desired: Desired | None = None
    window: StoredWindow | None = None
    incident: Incident | None = None


def all_facts(tx: Tx) -> list[DeviceFacts]:
    placements = {placement.device: placement for placement in _oldest_first(tx.placements())}
    incidents = {incident.device: incident for incident in reversed(tx.incidents(open_only=True))}
    desired, windows = tx.latest_desired_all(), tx.latest_windows()
    return [
        DeviceFacts(
            device,
            placements.get(device.id),
            desired.get(device.id),
            windows.get(device.id),
            incidents.get(device.id),
        )
        for device in tx.devices()
    ]


def facts_of(tx: Tx, device: Device) -> DeviceFacts:
    placements, windows = _oldest_first(tx.placements(device.id)), tx.recent_windows(device.id, 1)
    incidents = tx.incidents(device.id, open_only=True)
    return DeviceFacts(
        device,
        placements[-1] if placements else None,
        tx.latest_desired(device.id),
        windows[0] if windows else None,
        incidents[0] if incidents else None,
    )


def _oldest_first(placements: Sequence[Placement]) -> list[Placement]:
    return sorted(placements, key=lambda placement: placement.decided_unix_s)
