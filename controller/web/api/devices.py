"""Devices: register, accept, revoke, recalibrate, show, and their telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from controller.core.intents import AcceptDevice, ForgetDevice, RecalibrateDevice, RegisterDevice, RevokeDevice
from controller.core.nouns.device import DeviceState
from controller.loop import pages
from controller.web.answers import Json, Port, found
from controller.web.device_views import device_view, window_view
from controller.web.facts import facts_among, facts_of
from controller.web.hours import hour_views
from controller.web.pages import Selected, Wanted, answer
from controller.web.port import ControllerPort

Limit = Annotated[int, Query(ge=1, le=10_000)]
router = APIRouter(prefix="/devices", tags=["devices"])
States = Annotated[Sequence[DeviceState], Query()]


@dataclass
class Registration:
    """`source` names the text in error messages."""

    profile_text: str
    source: str = "profile"


@router.get("")
def list_devices(port: Port, asked: Wanted, selector: Selected, state: States = ()) -> Json:
    """By id; in one of these states, where any is given."""
    page = port.look(lambda fleet: pages.devices(fleet, selector, state, asked.after, asked.limit))
    with port.read() as tx:
        facts = facts_among(tx, page.names, port.presence)
    return answer(page, {device: device_view(each) for device, each in facts.items()}, asked)


@router.post("", status_code=201)
def register_device(port: Port, body: Registration) -> Json:
    return _show(port, port.submit(RegisterDevice(body.profile_text, body.source)), status_code=201)


@router.get("/{device}")
def show_device(port: Port, device: str) -> Json:
    return _show(port, device)


@router.post("/{device}/accept")
def accept_device(port: Port, device: str) -> Json:
    return _show(port, port.submit(AcceptDevice(device)))


@router.post("/{device}/revoke")
def revoke_device(port: Port, device: str) -> Json:
    return _show(port, port.submit(RevokeDevice(device)))


@router.post("/{device}/recalibrate")
def recalibrate_device(port: Port, device: str) -> Json:
    """Forget what was learned about it."""
    return _show(port, port.submit(RecalibrateDevice(device)))


@router.delete("/{device}")
def forget_device(port: Port, device: str) -> Json:
    """All of it but its mark; if it comes again it is pending."""
    return Json({"id": port.submit(ForgetDevice(device))})


@router.get("/{device}/telemetry")
def telemetry(
    port: Port, device: str, limit: Limit = 100, since_unix_s: float | None = None, until_unix_s: float | None = None
) -> Json:
    """The newest windows, oldest first; of those received from `since_unix_s` on and before `until_unix_s`."""
    with port.read() as tx:
        found(tx.get_device(device), "device", device)
        windows = tx.recent_windows(device, limit, since_unix_s, until_unix_s)
    return Json([window_view(window) for window in windows])


@router.get("/{device}/hours")
def hours(
    port: Port, device: str, limit: Limit = 100, since_unix_s: float | None = None, until_unix_s: float | None = None
) -> Json:
    """Windows rolled up by hour and variant, oldest first: the newest of the hours that began in between."""
    with port.read() as tx:
        found(tx.get_device(device), "device", device)
        rollups = tx.rollups_between(device, since_unix_s, until_unix_s, limit)
        first = tx.rollups_of(device, [rollups[0].hour_unix_s]) if rollups else []
    return Json(hour_views(rollups, first))


def _show(port: ControllerPort, device: str, status_code: int = 200) -> Json:
    with port.read() as tx:
        facts = facts_of(tx, found(tx.get_device(device), "device", device), port.presence(device))
    return Json(device_view(facts), status_code=status_code)
