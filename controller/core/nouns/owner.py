"""Which rollout owns a device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The rollout that `device` joined last, whatever became of it, and the one `before`."""

    device: str
    rollout: str
    before: str | None = None
    since_unix_s: float = 0.0
