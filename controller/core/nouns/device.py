"""A device of the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.wire.messages import Reported
from agent.wire.profile import Profile
from controller.core.nouns.calibration import Calibration


class DeviceState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A registered device with what it declares (`profile`), what it reports and what is learned about it.

    `wire` is what its agent speaks, None as long as it has not announced itself.
    `implausible` counts the windows and trials with a figure that cannot be, and `implausible_last` says why of the
    newest; such a figure is kept as absent.
    """

    id: str
    state: DeviceState
    profile: Profile
    profile_text: str = ""
    device_class: str = "device"
    labels: Mapping[str, str] = field(default_factory=dict)
    registered_unix_s: float = 0.0
    calibration: Calibration = field(default_factory=Calibration)
    boot: str | None = None
    last_seen_unix_s: float | None = None
    agent_version: str | None = None
    architecture: str | None = None
    wire: int | None = None
    runtimes: tuple[str, ...] = ()
    emulated: str | None = None
    reported: Reported | None = None
    implausible: int = 0
    implausible_last: str = ""
