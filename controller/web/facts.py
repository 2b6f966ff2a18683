"""What one view of a device is made of, gathered in one transaction and few queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.wire.profile import Runtime
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device
from controller.core.nouns.incident import Incident
from controller.core.nouns.placement import Placement
from controller.core.nouns.variant import Variant
from controller.core.nouns.window import StoredWindow
from controller.core.presence import Presence
from controller.store import Tx


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """`placement` is the newest decision, of whichever model; `incident` the newest that is still open.

    `assigned` is the variant of the placement, else of the newest assignment; `dense` the dense one for its runtime.
    """

    device: Device
    presence: Presence = Presence.UNKNOWN
    placement: Placement | None = None
    desired: Desired | None = None
    window: StoredWindow | None = None
    incident: Incident | None = None
    assigned: Variant | None = None
    dense: Variant | None = None


def facts_among(tx: Tx, ids: Sequence[str], presence: Callable[[str], Presence]) -> dict[str, DeviceFacts]:
    """Of those of these devices that there are."""
    devices, windows = tx.devices_among(ids), tx.latest_windows(ids)
    placements = {placement.device: placement for placement in tx.placements_among(ids)}
    incidents, desired = tx.open_incidents_among(ids), tx.latest_desired_among(ids)
    variants = _variants(tx, [*placements.values(), *desired.values()])
    return {
        device: DeviceFacts(
            known,
            presence(device),
            placements.get(device),
            desired.get(device),
            windows.get(device),
            incidents.get(device),
            *_runs(placements.get(device), desired.get(device), variants),
        )
        for device, known in devices.items()
    }


def _variants(tx: Tx, named: Sequence[Placement | Desired]) -> list[Variant]:
    """Those that are named there, and the dense ones of the same models."""
    artifacts = {each.sha256 for each in named if each.sha256 is not None}
    return tx.variants_among(sorted({each.model for each in named}), sorted(artifacts))


def facts_of(tx: Tx, device: Device, presence: Presence) -> DeviceFacts:
    return facts_among(tx, [device.id], lambda _: presence)[device.id]


def _model(placement: Placement | None, desired: Desired | None) -> str | None:
    known = placement or desired
    return None if known is None else known.model


def _runs(
    placement: Placement | None, desired: Desired | None, variants: Sequence[Variant]
) -> tuple[Variant | None, Variant | None]:
    """What the device is to run, and the dense variant for the same runtime."""
    sha256 = (placement.sha256 if placement else None) or (desired.sha256 if desired else None)
    of_model = [each for each in variants if each.model == _model(placement, desired)]
    assigned = next((each for each in of_model if each.sha256 == sha256), None)
    runtime = Runtime.ONNXRUNTIME if assigned is None else assigned.runtime
    return assigned, next((each for each in of_model if each.dense and each.runtime == runtime), None)
