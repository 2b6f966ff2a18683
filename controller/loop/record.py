"""Messages from devices -> stored facts. Decides nothing; the unreadable goes to the dead letters with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from agent.link import Arrived
from agent.wire.bounded import read_telemetry
from agent.wire.errors import WireError
from agent.wire.messages import (
    MAX_BYTES,
    Ack,
    Event,
    Info,
    Message,
    Need,
    Reported,
    Status,
    Telemetry,
    Window,
    decode,
    encode,
)
from agent.wire.plausible import sensible, why_no_age
from agent.wire.profile import Profile, parse_profile
from agent.wire.ranges import SEQ
from agent.wire.topics import BlobTopic, DeviceTopic, Leaf, parse, topic
from controller.core.ages import closings
from controller.core.breach import Limits, is_outside, limits_of
from controller.core.nouns.device import Device, DeviceState
from controller.core.nouns.window import StoredWindow
from controller.core.policy import Policy
from controller.core.presence import Presence, spoke, told
from controller.loop.ledger import Ledger

log = logging.getLogger("hedgerow.record")

_REASON = 500  # letters of a reason that are kept, as a device may write one of any length


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a message leaves to do: a device to look at again, an answer to publish after the commit, blocks needed."""

    device: str | None = None
    ack: tuple[str, bytes] | None = None
    need: Need | None = None


def record(ledger: Ledger, arrived: Arrived, now_unix_s: float) -> Recorded:
    """Store what arrived. Never raises for a bad message: one device's rubbish must not stop the others."""
    if not arrived.payload:  # a retained message was taken away
        return Recorded()
    try:
        where = parse(arrived.topic)
        if isinstance(where, BlobTopic):
            return Recorded()
        if arrived.retained and _is_being_erased(ledger, where.device):
            return Recorded()
        message = _read(where, arrived.payload)
        recorded = _RECORDERS[where.leaf](ledger, message, now_unix_s)
        _heard(ledger, message, now_unix_s, live=not (arrived.retained or arrived.repeated))
        return recorded
    except WireError as error:
        log.warning("event=dead_letter topic=%s reason=%r", arrived.topic, str(error))
        ledger.add_dead_letter(arrived.topic, arrived.payload, str(error), now_unix_s)
        return Recorded()


def _read(where: DeviceTopic, payload: bytes) -> Message:
    """Raises `WireError`."""
    if where.leaf is Leaf.TELEMETRY and len(payload) <= MAX_BYTES:
        told = read_telemetry(payload)
        if told is not None and told.device == where.device:
            return told
    return decode(where, payload)


def _is_being_erased(ledger: Ledger, device: str) -> bool:
    """What the broker still had of a forgotten device is no sign that it comes again."""
    forgotten = ledger.get_forgotten(device)
    return forgotten is not None and not forgotten.cleared and ledger.get_device(device) is None


def _heard(ledger: Ledger, message: Message, now_unix_s: float, *, live: bool) -> None:
    """Who says anything now is there, but for a goodbye; what the broker had kept may be from long ago."""
    device, before = ledger.get_device(message.device), ledger.presence(message.device)
    if device is None:
        return
    contact = ledger.contact(device.id)
    if isinstance(message, Status):
        ledger.put_contact(device.id, told(contact, message, ledger.now_s, live=live))
    elif live:
        ledger.put_contact(device.id, spoke(contact, ledger.now_s))
    after = ledger.presence(device.id)
    if live and after is not Presence.OFFLINE:
        ledger.saw_device(device.id, now_unix_s)
    if live and after is not before is not Presence.UNKNOWN:  # else all of them, whenever our own link came up
        log.info("event=%s device=%s", after, device.id)


def _status(ledger: Ledger, message: Message, _now_unix_s: float) -> Recorded:
    assert isinstance(message, Status)
    device = ledger.get_device(message.device)
    if device is None:
        return Recorded()
    ledger.put_device(replace(device, boot=message.boot))
    return Recorded(device.id)


def _info(ledger: Ledger, message: Message, now_unix_s: float) -> Recorded:
    """A device that nobody registered becomes pending; until it is accepted its own word on its profile counts."""
    assert isinstance(message, Info)
    device = ledger.get_device(message.device)
    if device is None or device.state is DeviceState.PENDING:
        device = declared(message.profile, f"info of {message.device}", DeviceState.PENDING, now_unix_s, device)
        if device.id != message.device:
            raise WireError(f"the profile of {message.device} speaks for device {device.id}")
        log.info("event=announced device=%s", device.id)
    ledger.put_device(
        replace(
            device,
            agent_version=message.agent_version,
            architecture=message.architecture,
            runtimes=tuple(message.runtimes),
            emulated=message.emulated,
            wire=message.wire,
        )
    )
    return Recorded(device.id)


def declared(text: str, source: str, state: DeviceState, now_unix_s: float, known: Device | None) -> Device:
    """The device that a profile's text declares, on top of what is known of it. Raises `WireError`."""
    return declares(parse_profile(text, source), text, state, now_unix_s, known)


def declares(profile: Profile, text: str, state: DeviceState, now_unix_s: float, known: Device | None) -> Device:
    """The same of a text that was read as `profile`."""
    fields = {
        "state": state,
        "profile": profile,
        "profile_text": text,
        "device_class": profile.device_class,
        "labels": dict(profile.labels),
    }
    if known is not None:
        return replace(known, **fields)  # type: ignore[arg-type]
    return Device(id=profile.device, registered_unix_s=now_unix_s, **fields)  # type: ignore[arg-type]


def _reported(ledger: Ledger, message: Message, _now_unix_s: float) -> Recorded:
    assert isinstance(message, Reported)
    device = ledger.get_device(message.device)
    if device is None:
        return Recorded()
    if message.trial is not None:
        trial, reasons = sensible(message.trial)
        known = device.reported.trial if device.reported is not None else None
        if reasons and trial != known:  # it is retained, and comes again
            device = _doubted(device, ["; ".join(reasons)])
        message = msgspec.structs.replace(message, trial=trial)
    ledger.put_device(replace(device, reported=message))
    return Recorded(device.id)


def _telemetry(ledger: Ledger, message: Message, now_unix_s: float) -> Recorded:
    """The acknowledgement is for the highest window kept, and leaves only after this transaction is committed.

    What cannot be is kept as absent, and counted, whoever found it: the device or we.
    """
    assert isinstance(message, Telemetry)
    device = ledger.get_device(message.device)
    if device is None or not message.windows:
        return Recorded()
    stored, impossible = _stored(message, limits_of(device.profile, device.calibration), now_unix_s, ledger.policy)
    fresh = ledger.add_windows(device.id, message.boot, stored)
    doubted = _doubted(device, [*impossible, *(each.window.implausible for each in fresh)])
    if doubted is not device:
        ledger.put_device(doubted)
    if not stored:
        return Recorded(device.id)
    highest = max(each.window.seq for each in stored)
    ack = Ack(device=device.id, boot=message.boot, seq=highest)
    return Recorded(device.id, ack=(topic(device.id, Leaf.ACK), encode(ack)))


def _stored(
    message: Telemetry, limits: Limits, now_unix_s: float, policy: Policy
) -> tuple[list[StoredWindow], list[str]]:
    """The windows as they are kept; and why some are not, whose number no boot comes to: they have no identity."""
    checked = [_checked(window, message.now_s) for window in message.windows]
    closed = closings(message, checked, now_unix_s, policy)
    stored = [
        StoredWindow(
            message.device, message.boot, now_unix_s, window, when.unix_s, when.history, is_outside(limits, window)
        )
        for window, when in zip(checked, closed, strict=True)
        if not SEQ.why_not(window.seq)
    ]
    return stored, [f"seq: {why}" for each in checked if (why := SEQ.why_not(each.seq))]


def _checked(window: Window, now_s: float | None) -> Window:
    """Without figures that cannot be, and with the reasons: the device's own and ours."""
    found, reasons = sensible(window)
    if why := why_no_age(found, now_s):
        found, reasons = msgspec.structs.replace(found, closed_s=None), (*reasons, why)
    told = "; ".join(filter(None, (window.implausible, *reasons)))
    return found if told == window.implausible[:_REASON] else msgspec.structs.replace(found, implausible=told[:_REASON])


def _doubted(device: Device, reasons: Sequence[str]) -> Device:
    """With so many more windows or trials counted of which some figure cannot be; an empty reason is none."""
    reasons = [each for each in reasons if each]
    if not reasons:
        return device
    last = reasons[-1][:_REASON]
    if not device.implausible:
        log.warning("event=implausible device=%s reason=%r", device.id, last)
    return replace(device, implausible=device.implausible + len(reasons), implausible_last=last)


def _event(ledger: Ledger, message: Message, now_unix_s: float) -> Recorded:
    assert isinstance(message, Event)
    if ledger.get_device(message.device) is None:
        return Recorded()
    log.info("event=device_event device=%s kind=%s message=%r", message.device, message.kind, message.message)
    ledger.add_event(message.device, message.boot, message.kind, message.message, now_unix_s)
    return Recorded(message.device)


def _need(_ledger: Ledger, message: Message, _now_unix_s: float) -> Recorded:
    assert isinstance(message, Need)
    return Recorded(need=message)


_RECORDERS: dict[Leaf, Callable[[Ledger, Message, float], Recorded]] = {
    Leaf.STATUS: _status,
    Leaf.INFO: _info,
    Leaf.REPORTED: _reported,
    Leaf.TELEMETRY: _telemetry,
    Leaf.EVENT: _event,
    Leaf.NEED: _need,
}
