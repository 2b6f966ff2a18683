"""What the demo saw: the material of its verdict and of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.wire.messages import Window
from agent.wire.profile import Profile
from controller.client import Row


@dataclass(frozen=True, slots=True)
class Observed:
    """One device at the end of an act: how the API shows it and its newest windows, all of the variant it runs."""

    profile: Profile
    row: Row
    windows: Sequence[Window]


@dataclass(frozen=True, slots=True)
class Scenes:
    """The fleet at the end, the model's variants and which of them ever ran, the incident, and what it all took."""

    after: Mapping[str, Observed]
    variants: Mapping[str, Row]
    ran: frozenset[str]
    prunes: int
    incident: Row
    gflops: float
    elapsed_s: float

    @property
    def dense(self) -> Row:
        return next(row for row in self.variants.values() if row["dense"])

    def variant(self, seen: Observed) -> Row | None:
        """What the device runs."""
        return self.variants.get(seen.row["sha256"] or "")
