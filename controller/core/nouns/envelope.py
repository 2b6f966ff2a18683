"""The caps of a device, in its own terms."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.nouns.constraint import Constraint


@dataclass(frozen=True, slots=True)
class Cap:
    value: float
    binding: Constraint


@dataclass(frozen=True, slots=True)
class Envelope:
    """The profile collapsed to three caps, on the device itself. A missing cap is unlimited.

    `ram_bytes` is for what the model adds above the runtime's measured base; `latency_s` is the p95 of one inference.
    """

    ram_bytes: Cap | None
    storage_bytes: Cap | None
    latency_s: Cap | None

    def roomier_than(self, other: Envelope, share: float) -> bool:
        """True where some cap of `other` is below `share` of what it is here, or only `other` has it."""
        mine = (self.ram_bytes, self.storage_bytes, self.latency_s)
        pairs = zip(mine, (other.ram_bytes, other.storage_bytes, other.latency_s), strict=True)
        return any(old is not None and (new is None or old.value < new.value * share) for new, old in pairs)
