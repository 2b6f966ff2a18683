"""What is learned about a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """How one figure of a calibration came about: by a `trial`, an `incident ID` or later `windows`, on which variant.

    `suspect` where it may have been an error: an incident taught it, and no window has agreed yet. `doubted_unix_s` is
    since when none agrees, and `most` the most that they explained meanwhile. `refuted` is the value that windows
    brought down last, and `again` how often such a value was learned once more.
    """

    by: str = ""
    learned_unix_s: float | None = None
    sha256: str | None = None
    suspect: bool = False
    doubted_unix_s: float | None = None
    most: float | None = None
    refuted: float | None = None
    again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is learned about one device. Every field left None is still as declared or modelled.

    `slowness` is device latency over reference latency, with `slowness_samples` observations behind it;
    `ram_extra_bytes` is device RAM above the reference's for the same variant; `ram_base_bytes` the runtime alone.
    `learned` has the source and the age of each figure by its field's name.
    """

    slowness: float | None = None
    slowness_samples: int = 0
    ram_base_bytes: int | None = None
    ram_extra_bytes: int | None = None
    ambient_celsius: float | None = None
    busy_watts: float | None = None
    learned: Mapping[str, Learned] = field(default_factory=dict)
