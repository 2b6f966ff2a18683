"""What a job is to make of its model: one class a kind, with what only that kind is asked for and ends with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import msgspec

from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.sparsity import SparsityReport


class JobKind(StrEnum):
    """How people, rows and requests name the classes below."""

    DENSE = "dense"
    PRUNE = "prune"
    LADDER = "ladder"
    UNSTRUCTURED = "unstructured"
    REFINE = "refine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a prune was *modelled* to win, in shares of right answers, against the variant that fitted best before it.

    `win` is expected, `high` the upper 90 % limit; `error` is the standard error of such a difference on the gate, and
    `scale` what residuals are told in, see `controller.core.pays` (0: the error itself).
    """

    against: str
    win: float
    high: float
    error: float
    scale: float = 0.0


class _Work(msgspec.Struct, frozen=True, tag_field="kind"):
    """Its kind is written beside its fields, so that a reader knows which class they are of."""

    @property
    def kind(self) -> JobKind:
        return JobKind(str(self.__struct_config__.tag))


class Dense(_Work, frozen=True, tag=JobKind.DENSE.value):
    """The model as it is: checked, exported and measured."""

    @property
    def key(self) -> str:
        """That of no caps at all."""
        return Caps().key


class Prune(_Work, frozen=True, tag=JobKind.PRUNE.value):
    """A variant under `caps`; without any cap the dense one for another runtime than the usual.

    `audit`: it was predicted not to pay and is made all the same, to hold predictions against. `budget_s`: how long the
    refine that follows it may take, None as its model says. `binding` is the constraint that bound in the end; no
    structure of the model was measured below any of the `least`, in any precision.
    """

    caps: Caps
    prediction: Prediction | None = None
    audit: bool = False
    budget_s: float | None = None
    binding: Constraint | None = None
    least: Caps | None = None

    @property
    def key(self) -> str:
        return self.caps.key


class Ladder(_Work, frozen=True, tag=JobKind.LADDER.value):
    """So many variants, each smaller than the one before."""

    rungs: int

    @property
    def key(self) -> str:
        return f"ladder rungs={self.rungs}"


class Unstructured(_Work, frozen=True, tag=JobKind.UNSTRUCTURED.value):
    """A report on what this `share` of zeros among the weights would win."""

    share: float
    report: SparsityReport | None = None

    @property
    def key(self) -> str:
        return f"unstructured share={self.share:.4g}"


class Refine(_Work, frozen=True, tag=JobKind.REFINE.value):
    """A better variant under the caps of a prune that is done, within `budget_s` in all."""

    caps: Caps
    budget_s: float

    @property
    def key(self) -> str:
        return f"refine {self.caps.key}"


Work = Dense | Prune | Ladder | Unstructured | Refine


def caps_of(work: Work) -> Caps:
    """What it is to stay under; of what has no caps of its own that is none at all, run by the usual runtime."""
    match work:
        case Prune(caps) | Refine(caps):
            return caps
        case Dense() | Ladder() | Unstructured():
            return Caps()
        case _:
            assert_never(work)
