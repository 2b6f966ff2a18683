"""A trained network, and what its owner wants of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Prefer(StrEnum):
    """What an owner wants of the variants that fit: the most right one, or the cheapest of those as right or nearly."""

    ACCURACY = "accuracy"
    FRUGAL = "frugal"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long a pruned model may train to recover: one of the two. `cpu_s` counts the job's own CPU time.

    A budget in epochs repeats to the byte on the same machine; one in CPU time ends where the host's speed lets it.
    """

    cpu_s: float | None = None
    epochs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A trained network. `digest` names what it is (weights, factory, input, data); a `name@version` has one for good.

    The rest is its owner's policy, which may change: `accuracy_floor` is a share (0.85), `accuracy_margin` how much
    worse than dense a variant may be (0.01), None where none is set; `prefer` says which of the variants that fit goes
    out; `ladder` how many rungs are made in the background; `recovery` how long a variant may train, None as the spec
    says; `refine_s` how many seconds of job time may go into making each variant better once it is there, 0 for none.
    The dense variant is an ordinary `Variant` with `dense=True`.
    """

    name: str
    version: str
    spec_path: str
    digest: str
    accuracy_floor: float | None = None
    accuracy_margin: float | None = None
    prefer: Prefer = Prefer.ACCURACY
    ladder: int = 0
    recovery: Recovery | None = None
    refine_s: float = 0.0
    added_unix_s: float = 0.0

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"
