"""What an operator can ask for, as plain data. The daemon's loop takes them in turn and answers each."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.nouns.bulk import BulkKind, Item
from controller.core.nouns.model import Recovery
from controller.core.nouns.work import Ladder, Prune, Unstructured


@dataclass(frozen=True, slots=True)
class RegisterDevice:
    """`source` names the text in error messages: a file name."""

    profile_text: str
    source: str = "profile"


@dataclass(frozen=True, slots=True)
class AcceptDevice:
    device: str


@dataclass(frozen=True, slots=True)
class RevokeDevice:
    device: str


@dataclass(frozen=True, slots=True)
class RecalibrateDevice:
    """Forget what was learned about a device: what it declares holds until trials and windows teach anew."""

    device: str


@dataclass(frozen=True, slots=True)
class ForgetDevice:
    """Take all of it away but its mark, also what the broker retains of it. If it comes again it is pending."""

    device: str


@dataclass(frozen=True, slots=True)
class AskBulk:
    """One of these for each of many devices: those that the selector matches now; where it is None, those that are then
    uploaded. `token` is the asker's own word for it: the same one again is the same request."""

    kind: BulkKind
    token: str
    selector: str | None = None


@dataclass(frozen=True, slots=True)
class AddToBulk:
    """Items from position `first` on."""

    bulk: str
    first: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class StartBulk:
    """Nothing more is uploaded."""

    bulk: str


@dataclass(frozen=True, slots=True)
class AddModel:
    """`spec_path` is a file on the controller's host."""

    spec_path: str


@dataclass(frozen=True, slots=True)
class SetModel:
    """Change a model's policy; what is None stays. A floor, a margin or a `refine_s` of 0 is none at all."""

    model: str
    prefer: str | None = None
    ladder: int | None = None
    accuracy_floor: float | None = None
    accuracy_margin: float | None = None
    recovery: Recovery | None = None
    refine_s: float | None = None


@dataclass(frozen=True, slots=True)
class AskJob:
    """A prune under at least one cap, a ladder, or a report on unstructured sparsity. The dense variant is made when
    its model is added, and a refine follows its prune.

    Asked twice it is one job with one answer; one that failed or found nothing is run once more `again`. A prune's
    `budget_s` is how long a refine may follow it, whatever its model says, 0 not at all; where the prune is done, at
    once.
    """

    model: str
    work: Prune | Ladder | Unstructured
    again: bool = False


@dataclass(frozen=True, slots=True)
class StartRollout:
    """`model` is a full ref; `waves` are cumulative shares up to 1.0, None the usual ones.

    A model without data to check it on has *unverified accuracy* and only goes out with `allow_unverified`.
    """

    model: str
    selector: str = ""
    waves: tuple[float, ...] | None = None
    allow_unverified: bool = False


@dataclass(frozen=True, slots=True)
class AbortRollout:
    rollout: str


Intent = (
    RegisterDevice
    | AcceptDevice
    | RevokeDevice
    | RecalibrateDevice
    | ForgetDevice
    | AskBulk
    | AddToBulk
    | StartBulk
    | AddModel
    | SetModel
    | AskJob
    | StartRollout
    | AbortRollout
)


class IntentError(Exception):
    """An intent that is refused. `status` is as in HTTP: 400 malformed, 404 unknown, 409 not now; 500, 504 ours."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
