"""What a device must not forget: its slots, its high-water mark and how the latest assignment went.

One JSON file on a real device (`agent.slots`), one object in a simulated one. Everything else may be lost at any time.
"""

from __future__ import annotations

import msgspec

from agent.wire.errors import Failure
from agent.wire.messages import Assignment, Result, Trial


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A variant that is whole on disk and passed its trial here. `confirmed` once it has served a window.

    The assignment is kept without its block digests: they served their purpose, and the file is rewritten often.
    """

    assignment: Assignment
    trial: Trial | None = None
    confirmed: bool = False

    @property
    def sha256(self) -> str:
        return self.assignment.sha256


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the latest assignment ended; absent while it is under way."""

    result: Result
    failure: Failure | None = None
    reason: str = ""
    trial: Trial | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """`latest` carries the high-water mark: nothing at or below its (epoch, seq) is ever obeyed again.

    So what failed stays failed: with `outcome` set, `latest` is not tried again, and only a newer assignment may name
    its digest once more. A slot that was rolled back is in neither place any longer.

    `starts` counts starts of the active slot, and `trials` those of the latest assignment's trial, that nothing has
    confirmed yet; both are written before the start, so that a start that takes the device down is counted.
    `trusted_unix_s` is the newest time that a signature vouched for: a floor for a clock without a battery.
    """

    active: Slot | None = None
    previous: Slot | None = None
    latest: Assignment | None = None
    outcome: Outcome | None = None
    starts: int = 0
    trials: int = 0
    trusted_unix_s: float = 0.0

    @property
    def mark(self) -> tuple[int, int]:
        """The high-water mark (epoch, seq); (0, 0) before the first assignment."""
        return (self.latest.epoch, self.latest.seq) if self.latest else (0, 0)

    @property
    def device(self) -> str | None:
        """Whose record this is: every assignment in it names its device. None before the first one."""
        slots = [slot.assignment for slot in (self.active, self.previous) if slot is not None]
        return next((each.device for each in [self.latest, *slots] if each is not None), None)

    @property
    def pending(self) -> Assignment | None:
        """The assignment that is under way."""
        return self.latest if self.outcome is None else None

    @property
    def needed(self) -> frozenset[str]:
        """The artifacts that must stay on disk."""
        slots = {slot.sha256 for slot in (self.active, self.previous) if slot is not None}
        return frozenset(slots | ({self.pending.sha256} if self.pending else set()))


def without_blocks(assignment: Assignment) -> Assignment:
    return msgspec.structs.replace(assignment, blocks=[])
