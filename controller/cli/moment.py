"""A moment as people write it: how long ago, or by the clock on their wall."""

from __future__ import annotations

from datetime import datetime

from agent.wire.errors import WireError
from agent.wire.units import Unit, parse_quantity
from controller.client import USAGE, ClientError


def moment(option: str, text: str | None) -> float | None:
    """Unix seconds of `2 h` (ago) or `2026-11-28 14:00` (local time). Raises `ClientError`."""
    if text is None:
        return None
    try:
        ago_s = parse_quantity(text, Unit.SECONDS)
    except WireError:
        pass
    else:
        if ago_s >= 0:
            return datetime.now().timestamp() - ago_s
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        cause = f"{option}: {text!r} is no moment: write how long ago, as in '2 h' or '7 d', or a time, as in"
        raise ClientError(f"{cause} '2026-11-28 14:00'", USAGE) from None
