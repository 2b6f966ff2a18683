"""Telemetry of which each figure can be by itself, found out while it is read.

Nearly all messages are such, and a controller reads thousands a second: what their type says is asked of none of them
in Python again.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from agent.wire.messages import Telemetry, Window
from agent.wire.ranges import FIELDS, SOURCED, WORDS


class Bounded(Window, frozen=True, kw_only=True):
    """A window of which each figure is within its range."""


def read_telemetry(payload: bytes) -> Telemetry | None:
    """A message of windows that all are `Bounded`; None of any other."""
    try:
        return _decoder().decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@cache
def _decoder() -> msgspec.json.Decoder[Telemetry]:
    known = [each for each in msgspec.structs.fields(Window) if each.name in FIELDS or each.name in SOURCED]
    figures = [(each.name, _typed(each.name, each.type), each.default) for each in known]
    window = msgspec.defstruct("BoundedWindow", figures, bases=(Bounded,), frozen=True, kw_only=True)
    windows = [("windows", list.__class_getitem__(window))]
    return msgspec.json.Decoder(
        msgspec.defstruct("BoundedTelemetry", windows, bases=(Telemetry,), frozen=True, kw_only=True)
    )


def _typed(name: str, kind: Any) -> Any:
    """The type of a figure that cannot be out of its range; all but a source's may be absent."""
    if name in SOURCED:
        words: Any = Literal.__getitem__(tuple(sorted(WORDS)))
        return words if kind is str else words | None
    low, high = FIELDS[name].low, FIELDS[name].high
    if kind in (float, float | None):
        return Annotated[float, msgspec.Meta(ge=low, le=high)] | None
    return Annotated[int, msgspec.Meta(ge=math.ceil(low), le=math.floor(high))] | None
