"""What a device was told to run."""

from __future__ import annotations

from dataclasses import dataclass

from agent.wire.messages import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The newest assignment made for a device, and how it ended. `seq` only ever grows, per device.

    `manifest` is the digest of the manifest that it names; one of wire 1 names none.
    """

    device: str
    epoch: int
    seq: int
    model: str
    sha256: str
    rollout: str | None
    incident: str | None
    envelope: bytes
    issued_unix_s: float
    manifest: str | None = None
    result: Result | None = None
    reason: str = ""
    finished_unix_s: float | None = None
    attempts: int = 1
