"""Every message on the wire, as flat JSON with unit-suffixed keys.

A sensor that is missing is `null`, never 0. Unknown keys are ignored. Payloads above `MAX_BYTES` are refused unread.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from agent.wire.errors import Failure, WireError
from agent.wire.topics import DeviceTopic, Leaf

MAX_BYTES = 256 * 1024
WIRE = 2
"""What this side speaks. 1 had the digests of all blocks in each assignment; all else is the same in both."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Every whole number on the wire: no larger than the databases of both sides keep."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What every message carries: the device it is about, which must equal the device of its topic."""

    device: str


class Status(Message, frozen=True, kw_only=True):
    """Retained, and the last will: is the device connected, and which boot of its agent speaks.

    An agent that is there says something at least every `hold_s` and a few of its windows of `window_s`; with nothing
    else to say it says this again. One that does not tell these figures says it once a connection.
    """

    online: bool
    boot: str
    window_s: float | None = None
    hold_s: float | None = None


class Info(Message, frozen=True, kw_only=True):
    """Retained: what the device declares about itself. `profile` is the profile's YAML text as the owner wrote it;
    `sensors` names what its temperature, power, battery ... are read from, where there is anything. An agent that does
    not say its `wire` speaks 1."""

    agent_version: str
    architecture: str
    runtimes: list[str]
    profile: str
    emulated: str | None = None
    sensors: dict[str, str] = {}
    wire: Count = 1


class Assignment(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The signed statement "device D runs variant V, seq N, within these budgets" (the payload of a DSSE envelope).

    What the artifact is checked by is in its manifest (`agent.wire.manifest`), which is named here by its SHA-256.
    Of the RAM caps, `ram_total_bytes` is for the whole worker process, `ram_model_bytes` for what it grows above the
    runtime's base. `runtime` is the one that the artifact is made for. `power_idle_watts` and `power_busy_watts` let a
    device without a power sensor model its draw.

    `blocks` and `golden_...` are what wire 1 had instead of a manifest: a record of release 0.1 still has them. Of
    wire 2 `blocks` is empty and yet there, so that 0.1 reads of a refusal and not of damage.
    """

    wire: Count = 1
    epoch: Count
    seq: Count
    model: str
    sha256: str
    size_bytes: Count
    manifest: str = ""
    manifest_bytes: Count = 0
    ram_total_bytes: Count | None = None
    ram_model_bytes: Count | None = None
    latency_p95_ms: float | None = None
    rate_hz: float = 1.0
    power_idle_watts: float | None = None
    power_busy_watts: float | None = None
    runtime: str = "onnxruntime"
    issued_unix_s: float | None = None
    expires_unix_s: float | None = None
    block_bytes: Count
    blocks: list[str]
    golden_seed: Count = 0
    golden_outputs: list[list[float]] = []
    golden_tolerance: float = 1e-3


class _Head(Message, frozen=True, kw_only=True):
    """What an assignment of any wire says of itself."""

    wire: Count = 1
    epoch: Count
    seq: Count


class Phase(StrEnum):
    IDLE = "idle"
    DOWNLOADING = "downloading"
    TRIAL = "trial"
    ACTIVE = "active"


class Result(StrEnum):
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED_NO_CHANGE = "failed_no_change"
    FAILED_ROLLED_BACK = "failed_rolled_back"
    FAILED_STUCK = "failed_stuck"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """The device's own measured run of the exact artifact, before it may become active.

    RAM is the worker's high-water mark (`VmHWM`); base is the same with only the runtime loaded. Latency is wall time,
    or on an emulated device (`emulated_gflops` set) the thread's CPU time at that device's pace. `frequency_hz`,
    `throttled_share` and `host_busy_share` are as in a window, of the time that the trial took.
    """

    sha256: str
    passed: bool
    failure: Failure | None = None
    detail: str = ""
    ram_base_bytes: Count | None = None
    ram_peak_bytes: Count | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    golden_max_error: float | None = None
    samples: Count = 0
    emulated_gflops: float | None = None
    frequency_hz: float | None = None
    throttled_share: float | None = None
    host_busy_share: float | None = None


class Reported(Message, frozen=True, kw_only=True):
    """Retained: what runs (`sha256` is the truth) and how the assignment `seq` is going."""

    boot: str
    seq: Count
    epoch: Count = 0
    sha256: str | None
    phase: Phase
    result: Result | None = None
    failure: Failure | None = None
    reason: str = ""
    trial: Trial | None = None
    blocks_have: Count = 0
    blocks_total: Count = 0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregated telemetry interval. `seq` counts up within a boot; (device, boot, seq) is its identity.

    `wall_unix_s` is the device's own clock at the end of the interval: a hint, never trusted for order. `closed_s` is
    the same by a clock that counts from the host's boot and nobody sets, null where that was an earlier boot.
    `power_source` and `latency_source` say how a figure came about: measured | modelled | emulated, or of power that is
    the processor's alone: package. `cpu_share` is the worker's, of one core. `energy_per_inference_joules` is all that
    the device drew, idle or not, for each inference. `implausible` tells why a figure is missing that a sensor gave:
    it cannot be. An agent always knows length and counts; what it says of them may be as impossible (`plausible.py`).

    `cpu_per_inference_s` is processor time of the inference alone, `host_busy_share` of all processors, whoever keeps
    them busy, and `pressure_share` the share of the time in which some program of the host waited for one. Of what was
    `asked` for `count` were run, `shed` were refused unrun, and the rest waits; `queue_...` is the wait for a turn of
    those that were run, which latencies leave out.
    """

    seq: Count
    duration_s: float | None
    wall_unix_s: float | None = None
    closed_s: float | None = None
    sha256: str | None = None
    count: Count | None = 0
    errors: Count | None = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_mean_ms: float | None = None
    latency_source: str = "measured"
    busy_share: float | None = None
    cpu_share: float | None = None
    rss_bytes: Count | None = None
    ram_peak_bytes: Count | None = None
    temperature_celsius: float | None = None
    temperature_max_celsius: float | None = None
    temperature_mean_celsius: float | None = None
    power_watts: float | None = None
    power_source: str | None = None
    energy_per_inference_joules: float | None = None
    battery_percent: float | None = None
    battery_discharging: bool | None = None
    frequency_hz: float | None = None
    throttled_share: float | None = None
    undervoltage: bool | None = None
    cpu_per_inference_s: float | None = None
    host_busy_share: float | None = None
    pressure_share: float | None = None
    asked: Count | None = None
    shed: Count | None = None
    queue_mean_ms: float | None = None
    queue_p95_ms: float | None = None
    implausible: str = ""


def timeless(windows: Iterable[Window]) -> list[Window]:
    """Windows of an earlier boot of their host, of whose clock nothing is known any more."""
    return [msgspec.structs.replace(each, closed_s=None) for each in windows]


class Telemetry(Message, frozen=True, kw_only=True):
    """Windows of one boot, oldest first. `dropped` counts the windows of that boot that a full spool had to give up.

    `now_s` is the moment of sending by the clock of their `closed_s`.
    """

    boot: str
    windows: list[Window]
    dropped: Count = 0
    now_s: float | None = None


class Ack(Message, frozen=True, kw_only=True):
    """Every window of `boot` up to `seq` is committed in the controller's database; the device may free it."""

    boot: str
    seq: Count


class Event(Message, frozen=True, kw_only=True):
    """Something that happened on the device: throttled, undervoltage, rolled_back, worker_died, ..."""

    boot: str
    kind: str
    message: str = ""
    wall_unix_s: float | None = None


class Need(Message, frozen=True, kw_only=True):
    """The blocks of an artifact that the device lacks, as a bitmap in base64 (see `agent.wire.blocks`)."""

    sha256: str
    missing: str


LEAF_TYPES: dict[Leaf, type[Message]] = {
    Leaf.STATUS: Status,
    Leaf.INFO: Info,
    Leaf.REPORTED: Reported,
    Leaf.TELEMETRY: Telemetry,
    Leaf.ACK: Ack,
    Leaf.EVENT: Event,
    Leaf.NEED: Need,
}
_DECODERS = {leaf: msgspec.json.Decoder(kind) for leaf, kind in LEAF_TYPES.items()}
_ENCODER = msgspec.json.Encoder()
M = TypeVar("M")


def encode(message: msgspec.Struct) -> bytes:
    return _ENCODER.encode(message)


def decode(topic: DeviceTopic, payload: bytes) -> Message:
    """Decode and validate what arrived on `topic`; `desired` is not here, it is read by `agent.wire.signing`.

    Raises `WireError` on an oversize or malformed payload and where topic and payload name different devices.
    """
    if len(payload) > MAX_BYTES:
        raise WireError(f"{topic}: {len(payload)} bytes, at most {MAX_BYTES} are read")
    try:
        message: Message = _DECODERS[topic.leaf].decode(payload)
    except KeyError:
        raise WireError(f"{topic}: is not a plain message") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{topic}: {error}") from None
    if message.device != topic.device:
        raise WireError(f"{topic}: the payload speaks for device {message.device!r}")
    return message


def decode_as(kind: type[M], payload: bytes | str) -> M:
    """Decode `payload` as one message type; raises `WireError`."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{kind.__name__}: {error}") from None


def read_assignment(payload: bytes) -> Assignment:
    """What a signed payload says; of a wire that is not known here only whose it is, and its number.

    Raises `WireError`.
    """
    head = decode_as(_Head, payload)
    if head.wire in (1, WIRE):
        return decode_as(Assignment, payload)
    return Assignment(
        device=head.device, wire=head.wire, epoch=head.epoch, seq=head.seq,
        model="", sha256="", size_bytes=0, block_bytes=0, blocks=[],
    )  # fmt: skip
