"""One request about many devices, worked off little by little."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.wire.profile import Profile


class BulkKind(StrEnum):
    ACCEPT = "accept"
    REVOKE = "revoke"
    RECALIBRATE = "recalibrate"
    REGISTER = "register"


class BulkState(StrEnum):
    """UPLOADING: whoever asked is still telling which devices."""

    UPLOADING = "uploading"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """Its items are fixed before it begins: those that its `selector` matched when it was asked for, or that were
    uploaded. Up to the `cursor` each is `done` or `failed`. The same `token` is the same request."""

    id: str
    token: str
    kind: BulkKind
    selector: str | None = None
    state: BulkState = BulkState.RUNNING
    total: int = 0
    cursor: int = 0
    done: int = 0
    failed: int = 0
    asked_unix_s: float = 0.0
    finished_unix_s: float | None = None

    @property
    def number(self) -> int:
        """A newer one has a higher number."""
        return int(self.id.removeprefix("b"))


@dataclass(frozen=True, slots=True)
class Declared:
    """An item of a registration: what a text declares, or why it cannot be read. `source` names the text."""

    source: str
    text: str = ""
    profile: Profile | None = None
    reason: str = ""


Item = str | Declared
"""A device's id, or what is to be registered."""


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """The item at `position`, counted from 0, was not done; nothing else waits for it."""

    bulk: str
    position: int
    device: str
    reason: str
