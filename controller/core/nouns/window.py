"""A telemetry window, as it is stored."""

from __future__ import annotations

import msgspec

from agent.wire.messages import Window


class StoredWindow(msgspec.Struct, frozen=True):
    """A telemetry window with the boot it belongs to and when the controller received it.

    `closed_unix_s` is when it was closed, by the controller's clock; None of one that was stored before that was known.
    `history` was too old for that when it came to be judged. `outside`: some figure was outside the budget that the
    device had then; None where that was not looked at.
    """

    device: str
    boot: str
    received_unix_s: float
    window: Window
    closed_unix_s: float | None = None
    history: bool = False
    outside: bool | None = None
