"""Which wire a device's agent speaks, and what follows where it is not the controller's."""

from __future__ import annotations

from agent.wire.errors import Failure
from agent.wire.messages import WIRE
from controller.core.nouns.desired import Desired
from controller.core.nouns.device import Device


def foreign(device: Device) -> str:
    """Why a device gets no assignment: its agent speaks another wire. Empty where it speaks ours, or is yet to say."""
    if device.wire is None or device.wire == WIRE:
        return ""
    older = "agent" if device.wire < WIRE else "controller"
    return f"speaks wire {device.wire}, this controller speaks {WIRE}: update the {older}"


def readable(device: Device, desired: Desired) -> bool:
    """Is that assignment of the wire that the device's agent speaks?"""
    return wire_of(desired) == (WIRE if device.wire is None else device.wire)


def outdated(device: Device, desired: Desired) -> bool:
    """The agent was updated before it took up an assignment of the wire that it spoke: it needs the next one.

    What it took up it brings to an end, and what it runs stays.
    """
    if device.wire != WIRE or readable(device, desired):
        return False
    reported = device.reported
    taken_up = reported is not None and (reported.epoch, reported.seq) == (desired.epoch, desired.seq)
    return not taken_up or (reported is not None and reported.failure is Failure.WIRE)


def unread(device: Device, desired: Desired) -> bool:
    """It was ours, sent before the device's agent had said that it speaks another wire: no failure of the device."""
    return bool(foreign(device)) and not readable(device, desired)


def wire_of(desired: Desired) -> int:
    return 1 if desired.manifest is None else WIRE
