"""The nouns of the controller as frozen values. SI units; a `None` is "not known", never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from agent.wire.messages import Reported, Window
from agent.wire.profile import RUNTIMES, Profile
from controller.core.evidence import Evidence
from controller.core.sparsity import SparsityReport

N = TypeVar("N", int, float)


def _tighter(one: N | None, other: N | None) -> N | None:
    return other if one is None else one if other is None else min(one, other)


class Constraint(StrEnum):
    """What can bind a device. The first two are a profile's memory caps, the rest the sources of its others."""

    RAM_TOTAL = "ram.total"
    RAM_MODEL = "ram.model"
    STORAGE = "storage"
    DEADLINE = "deadline"
    RATE = "rate"
    THERMAL = "thermal"
    BATTERY = "battery"
    ACCURACY = "accuracy"
    NONE = "none"


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


@dataclass(frozen=True, slots=True)
class Caps:
    """The same in the reference host's terms: what a prune job is asked to stay under, run by `runtime`. None is
    unlimited."""

    ram_bytes: int | None = None
    storage_bytes: int | None = None
    latency_s: float | None = None
    runtime: str = RUNTIMES[0]

    def meet(self, other: Caps) -> Caps:
        """The tighter one of each cap: what is under it is under both."""
        return replace(
            self,
            ram_bytes=_tighter(self.ram_bytes, other.ram_bytes),
            storage_bytes=_tighter(self.storage_bytes, other.storage_bytes),
            latency_s=_tighter(self.latency_s, other.latency_s),
        )

    def covers(self, other: Caps) -> bool:
        """What is under `other` is under these too: none of these is tighter, and the runtime is the same."""
        pairs = zip(self._figures, other._figures, strict=True)
        return self.runtime == other.runtime and all(
            mine is None or (its is not None and its <= mine) for mine, its in pairs
        )

    def near(self, tighter: Caps, share: float) -> bool:
        """`tighter` is under these caps, and each of its caps is at least `share` of the one here."""
        pairs = zip(self._figures, tighter._figures, strict=True)
        return self.covers(tighter) and all(
            mine is not None and its is not None and its >= mine * share for mine, its in pairs if mine != its
        )

    @property
    def _figures(self) -> tuple[float | None, ...]:
        return self.ram_bytes, self.storage_bytes, self.latency_s

    @property
    def key(self) -> str:
        """Equal caps have equal keys, and share one variant."""
        ram = "-" if self.ram_bytes is None else self.ram_bytes
        storage = "-" if self.storage_bytes is None else self.storage_bytes
        latency = "-" if self.latency_s is None else f"{self.latency_s * 1e6:.0f}us"
        runtime = "" if self.runtime == RUNTIMES[0] else f" runtime={self.runtime}"
        return f"ram={ram} storage={storage} latency={latency}{runtime}"


class DeviceState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """How one figure of a calibration came about: by a `trial`, an `incident ID` or later `windows`, on which variant.

    `suspect` where it may have been an error: an incident taught it, and no window has agreed yet. `doubted_unix_s` is
    since when none agrees, and `most` the most that they explained meanwhile. `refuted` is the value that windows
    brought down last, and `again` how often such a value was learned once more.
    """

    by: str = ""
    learned_unix_s: float | None = None
    sha256: str | None = None
    suspect: bool = False
    doubted_unix_s: float | None = None
    most: float | None = None
    refuted: float | None = None
    again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is learned about one device. Every field left None is still as declared or modelled.

    `slowness` is device latency over reference latency, with `slowness_samples` observations behind it;
    `ram_extra_bytes` is device RAM above the reference's for the same variant; `ram_base_bytes` the runtime alone.
    `learned` has the source and the age of each figure by its field's name.
    """

    slowness: float | None = None
    slowness_samples: int = 0
    ram_base_bytes: int | None = None
    ram_extra_bytes: int | None = None
    ambient_celsius: float | None = None
    busy_watts: float | None = None
    learned: Mapping[str, Learned] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A registered device with what it declares (`profile`), what it reports and what is learned about it.

    `implausible` counts the windows and trials with a figure that cannot be, and `implausible_last` says why of the
    newest; such a figure is kept as absent.
    """

    id: str
    state: DeviceState
    profile: Profile
    profile_text: str = ""
    device_class: str = "device"
    labels: Mapping[str, str] = field(default_factory=dict)
    registered_unix_s: float = 0.0
    calibration: Calibration = Calibration()
    online: bool = False
    boot: str | None = None
    last_seen_unix_s: float | None = None
    agent_version: str | None = None
    architecture: str | None = None
    runtimes: tuple[str, ...] = ()
    emulated: str | None = None
    reported: Reported | None = None
    implausible: int = 0
    implausible_last: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One pruned, exported and *measured* artifact of a model, in the format of the `runtime` that runs it.

    `ram_bytes` is the high-water mark of the exact artifact in a fresh process above `ram_base_bytes`, what the bare
    runtime took there; latencies are of one inference at batch 1 on one thread of the reference host. `accuracy` with
    its 95% interval is on gate data that selected nothing; None is *unverified accuracy*. `drop` is the share of those
    `gate_samples` inputs that it gets wrong beyond what the dense model does, with its paired 95% interval; `evidence`
    is what it was on each of them. `requested` is the key of the caps that it was pruned for.
    """

    sha256: str
    model: str
    size_bytes: int
    precision: str
    ram_bytes: int
    ram_base_bytes: int
    latency_p50_s: float
    latency_p95_s: float
    parameters: int
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    drop: float | None = None
    drop_low: float | None = None
    drop_high: float | None = None
    gate_samples: int | None = None
    evidence: Evidence | None = None
    dense: bool = False
    requested: str = ""
    runtime: str = RUNTIMES[0]
    golden_seed: int = 0
    golden_outputs: tuple[tuple[float, ...], ...] = ()
    golden_tolerance: float = 1e-3
    lineage: Mapping[str, object] = field(default_factory=dict)
    created_unix_s: float = 0.0


class JobState(StrEnum):
    """STOPPING: it runs, and was told to end, as something else is to do; it is queued again once it has."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


AT_WORK = (JobState.RUNNING, JobState.STOPPING)
UNFINISHED = (JobState.QUEUED, *AT_WORK)


class JobKind(StrEnum):
    """What a job makes: the dense variant, one under caps, a ladder of them, a report on unstructured sparsity, or a
    better variant under the caps of a prune that is done."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneJob:
    """A job on a model: to `caps` (prune, refine), of so many `rungs` (ladder), or with this `share` of zeros
    (unstructured).

    INFEASIBLE: no variant at the accuracy floor or above fits; `sha256` is the closest one. `asked`: an operator wants
    it, whether or not a device waits for it. `audit`: it was predicted not to pay and is made all the same, to hold
    predictions against. `least`: no structure of the model was measured below any of these, in any precision.
    `budget_s`: of a refine how long it may take in all; of a prune that of the refine which follows it, None as its
    model says. `retry`: a failure may pass by itself.
    """

    id: str
    model: str
    kind: JobKind = JobKind.PRUNE
    caps: Caps = Caps()
    rungs: int | None = None
    share: float | None = None
    asked: bool = False
    audit: bool = False
    budget_s: float | None = None
    prediction: Prediction | None = None
    state: JobState = JobState.QUEUED
    sha256: str | None = None
    binding: Constraint | None = None
    least: Caps | None = None
    detail: str = ""
    report: SparsityReport | None = None
    retry: bool = True
    attempts: int = 0
    created_unix_s: float = 0.0
    finished_unix_s: float | None = None

    @property
    def key(self) -> str:
        """Equal requests for a model have equal keys; of a dense job and of a prune it is that of the caps."""
        match self.kind:
            case JobKind.LADDER:
                return f"ladder rungs={self.rungs}"
            case JobKind.UNSTRUCTURED:
                return f"unstructured share={self.share:.4g}"
            case JobKind.REFINE:
                return f"refine {self.caps.key}"
            case _:
                return self.caps.key


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The newest assignment made for a device, and how it ended. `seq` only ever grows, per device."""

    device: str
    epoch: int
    seq: int
    model: str
    sha256: str
    rollout: str | None
    incident: str | None
    envelope: bytes
    issued_unix_s: float
    result: str | None = None
    reason: str = ""
    finished_unix_s: float | None = None
    attempts: int = 1


class RolloutState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Bringing a model to the devices that a selector matches. `waves` are cumulative shares, the last one 1.0."""

    id: str
    model: str
    selector: str
    waves: tuple[float, ...] = (0.2, 1.0)
    max_failures: float = 0.2
    deadline_s: float = 600.0
    state: RolloutState = RolloutState.RUNNING
    wave: int = 0
    started_unix_s: float = 0.0
    wave_started_unix_s: float = 0.0
    finished_unix_s: float | None = None
    reason: str = ""


class BreachKind(StrEnum):
    LATENCY = "latency"
    MEMORY = "memory"
    TEMPERATURE = "temperature"
    BATTERY = "battery"


class IncidentState(StrEnum):
    OPEN = "open"
    ACTING = "acting"
    REPAIRED = "repaired"
    UNREPAIRED = "unrepaired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One breach followed from evidence through diagnosis and action to its outcome."""

    id: str
    device: str
    kind: BreachKind
    state: IncidentState = IncidentState.OPEN
    evidence: str = ""
    diagnosis: str = ""
    from_variant: str | None = None
    to_variant: str | None = None
    outcome: str = ""
    opened_unix_s: float = 0.0
    closed_unix_s: float | None = None

    @property
    def repaired(self) -> bool:
        return self.state is IncidentState.REPAIRED


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A telemetry window with the boot it belongs to and when the controller received it."""

    device: str
    boot: str
    received_unix_s: float
    window: Window
