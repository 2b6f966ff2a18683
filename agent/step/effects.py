"""What a device may do. The shell performs effects in order; those that can fail answer with an event."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.record import Record
from agent.wire.manifest import Manifest
from agent.wire.messages import Assignment, Message, Window
from agent.wire.topics import Leaf

DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Publish:
    """Retained where the leaf is. Refused by a link that is down; then `LinkUp` sends the state again."""

    leaf: Leaf
    message: Message


@dataclass(frozen=True, slots=True)
class Subscribe:
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SaveRecord:
    """Durable before the next effect: written, and synced to the medium."""

    record: Record


@dataclass(frozen=True, slots=True)
class Collect:
    """Delete every artifact, whole or partial, and every manifest but these."""

    keep: frozenset[str]


@dataclass(frozen=True, slots=True)
class FindManifest:
    """See whether the manifest is there; answers `ManifestFound`."""

    sha256: str


@dataclass(frozen=True, slots=True)
class KeepManifest:
    """A whole manifest whose digest is right, to be kept for good; answers `ManifestFound`."""

    sha256: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Prepare:
    """See what is there of the artifact and whether the rest has room; answers `Prepared`."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """A verified block, to be written in place. Answers only where it fails, with `Downloaded` and the failure."""

    sha256: str
    offset_bytes: int
    data: bytes


@dataclass(frozen=True, slots=True)
class FinishDownload:
    """Verify the whole digest, sync and rename; answers `Downloaded`."""

    assignment: Assignment


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a worker on an artifact whose digest is verified once more; answers `TrialDone` or `WorkerDied`.

    `judged` tells whether the trial is held to the latency cap. The restart of an accepted variant is not: the device
    may be busy booting, and telemetry judges it anyway.
    """

    worker: int
    assignment: Assignment
    judged: bool


@dataclass(frozen=True, slots=True)
class Go:
    worker: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """First it answers what it was asked, `within_s`, and tells its last window; not so `at_once`."""

    worker: int
    at_once: bool = False
    within_s: float = DRAIN_S


@dataclass(frozen=True, slots=True)
class Spool:
    window: Window


@dataclass(frozen=True, slots=True)
class SendBatch:
    """Publish the oldest spooled windows of one boot; answers `BatchSent` where there were any."""


@dataclass(frozen=True, slots=True)
class Free:
    """The controller has every window of `boot` up to `seq` in its database."""

    boot: str
    seq: int


@dataclass(frozen=True, slots=True)
class ForgetWindows:
    """Give up every spooled window: they are another device's. Before the next record is saved."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the log: a transition of this device."""

    what: str
    fields: dict[str, object] = field(default_factory=dict)


Effect = (
    Publish
    | Subscribe
    | Unsubscribe
    | SaveRecord
    | Collect
    | FindManifest
    | KeepManifest
    | Prepare
    | StoreBlock
    | FinishDownload
    | StartWorker
    | Go
    | StopWorker
    | Spool
    | SendBatch
    | Free
    | ForgetWindows
    | Note
)
