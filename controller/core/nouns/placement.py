"""What the fit says of a device and a model."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.nouns.constraint import Constraint
from controller.core.nouns.envelope import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What the fit says of one device and one model: the variant to run, or why there is none.

    `waiting_for` is the key of the caps of the prune that it waits for: for want of a variant, or, where it has one,
    for a better one. `rollout` is the one that it was placed for, `offered` says that a better variant was offered in
    it. `reason` is why there is none, or why no better one is made.
    """

    device: str
    model: str
    feasible: bool
    binding: Constraint
    envelope: Envelope
    sha256: str | None = None
    waiting_for: str | None = None
    reason: str = ""
    relaxations: tuple[str, ...] = ()
    rollout: str | None = None
    offered: bool = False
    decided_unix_s: float = 0.0
