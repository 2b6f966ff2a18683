"""What a device must not forget: its slots, its high-water mark and how the latest assignment went.

One JSON file on a real device (`agent.slots`), one object in a simulated one. Everything else may be lost at any time.
"""

from __future__ import annotations

import msgspec

from agent.wire.errors import Failure
from agent.wire.messages import Assignment, Result, Trial


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A variant that is whole on disk and passed its trial here. `confirmed` once it has served a window.

    An assignment of wire 1 is kept without its block digests: they served their purpose, and the file is rewritten
    often.
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
        """The artifacts and manifests that must stay on disk, by their digests."""
        slots = [slot.assignment for slot in (self.active, self.previous) if slot is not None]
        wanted = [*slots, *([self.pending] if self.pending else [])]
        return frozenset(digest for each in wanted for digest in (each.sha256, each.manifest) if digest)


def without_blocks(assignment: Assignment) -> Assignment:
    return msgspec.structs.replace(assignment, blocks=[])


def checked_as(assignment: Assignment, before: Assignment) -> Assignment:
    """`assignment` for an artifact that is there already, with the answers that are there to hold it to."""
    return msgspec.structs.replace(
        assignment,
        manifest=before.manifest,
        manifest_bytes=before.manifest_bytes,
        golden_seed=before.golden_seed,
        golden_outputs=before.golden_outputs,
        golden_tolerance=before.golden_tolerance,
    )
