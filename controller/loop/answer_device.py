"""What operators ask of one device, whether of this one alone or of many."""

from __future__ import annotations

from dataclasses import replace

from agent.wire.profile import Profile
from controller.core.intents import IntentError
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.device import Device, DeviceState
from controller.loop.ledger import Ledger
from controller.loop.record import declares


def register(ledger: Ledger, profile: Profile, text: str, now_unix_s: float) -> Device:
    """An operator's registration is an acceptance; again, it replaces the profile and keeps what was learned."""
    device = declares(profile, text, DeviceState.ACCEPTED, now_unix_s, ledger.get_device(profile.device))
    ledger.put_device(device)
    return device


def set_state(ledger: Ledger, device: str, state: DeviceState) -> None:
    """Raises `IntentError`."""
    known = known_device(ledger, device)
    if known.state is not state:
        ledger.put_device(replace(known, state=state))


def recalibrate(ledger: Ledger, device: str) -> None:
    """Forget what was learned of it, and what was decided by that. Raises `IntentError`."""
    ledger.put_device(replace(known_device(ledger, device), calibration=Calibration()))
    ledger.forget_placements(device)


def known_device(ledger: Ledger, device: str) -> Device:
    known = ledger.get_device(device)
    if known is None:
        raise IntentError(404, f"device {device!r} is not known; 'device list' shows those that are")
    return known
