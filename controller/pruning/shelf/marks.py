"""Artifacts whose times are known, which the times of others are told against."""

from __future__ import annotations

import msgspec


class Marked(msgspec.Struct, frozen=True):
    """An artifact that times are told against: its median is `share` of the dense model's."""

    sha256: str
    share: float


class Marks(msgspec.Struct, frozen=True):
    """Those of a precision, the slow one first, as measured beside the variant `dense`; none where nothing can be made
    in it."""

    dense: str
    marks: tuple[Marked, ...]
