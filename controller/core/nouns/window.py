"""A telemetry window, as it is stored."""

from __future__ import annotations

from dataclasses import dataclass

from agent.wire.messages import Window


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A telemetry window with the boot it belongs to and when the controller received it."""

    device: str
    boot: str
    received_unix_s: float
    window: Window
