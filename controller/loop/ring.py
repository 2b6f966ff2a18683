"""The newest windows of a device as decisions look at them, packed: a fleet's worth of whole windows would fill memory.

Only figures that rules read are kept (`breach`, `refute`, `diagnose`), each as a double, NaN where it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from struct import Struct
from typing import Any

from agent.wire.messages import Window
from controller.core.nouns.window import StoredWindow

_KINDS: Mapping[str, Callable[[float], object]] = {
    "seq": int, "count": int, "ram_peak_bytes": int, "battery_discharging": bool,
}  # fmt: skip
_FIGURES = (
    *_KINDS, "duration_s", "latency_p50_ms", "latency_p95_ms", "busy_share", "temperature_celsius", "power_watts",
    "throttled_share",
)  # fmt: skip
_ROW = Struct(f"<{1 + len(_FIGURES)}d")
_figures = attrgetter(*_FIGURES)


def packed(windows: Iterable[StoredWindow]) -> bytes:
    """In their order."""
    return b"".join(map(_packed, windows))


def newest(ring: bytes, number: int) -> bytes:
    return ring[-number * _ROW.size :]


def by_device(windows: Iterable[StoredWindow]) -> dict[str, bytes]:
    """Those of each, in their order."""
    rings = dict[str, bytes]()
    for each in windows:
        rings[each.device] = rings.get(each.device, b"") + _packed(each)
    return rings


def oldest_unix_s(ring: bytes) -> float:
    """When its first window was received."""
    received_unix_s: float = _ROW.unpack_from(ring)[0]
    return received_unix_s


def unpacked(device: str, ring: bytes) -> list[StoredWindow]:
    return list(_unpacked(device, ring))


def _packed(stored: StoredWindow) -> bytes:
    figures = [math.nan if each is None else each for each in _figures(stored.window)]
    return _ROW.pack(stored.received_unix_s, *figures)


def _unpacked(device: str, ring: bytes) -> Iterator[StoredWindow]:
    for received_unix_s, *figures in _ROW.iter_unpack(ring):
        known: dict[str, Any] = {
            name: None if math.isnan(figure) else figure for name, figure in zip(_FIGURES, figures, strict=True)
        }
        for name, kind in _KINDS.items():
            if known[name] is not None:
                known[name] = kind(known[name])
        yield StoredWindow(device, "", received_unix_s, Window(**known))
