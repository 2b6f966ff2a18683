"""What is said over the pipes of an inference worker: `python -m agent.worker`, one JSON object a line.

The parent writes one `WorkerSpec`; the worker loads the runtime and the artifact, tries it, writes one `TrialLine` and
waits. Until then it writes a `DoingLine` before each step, and a `LoadingLine` where there is a memory cap. On `Go` it
serves and writes a `WindowLine` an interval. On `Drain` it takes no new connection, answers what it has, writes its
last `WindowLine` and ends; when its stdin ends it does so at once.
The device and the controller's reference measurement use the same worker, so that both mean the same by a figure.
"""

from __future__ import annotations

import msgspec

from agent.wire.messages import Trial

GOLDEN_SAMPLES = 4
GOLDEN_VALUES = 64


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact and what it is held to. Caps left None are measured but not judged.

    `golden_outputs` empty: they are made rather than compared, and come back in the `TrialLine`.
    `model` is the name under which applications ask for it, `listen` are inherited descriptors of listening sockets.
    For as long as no application asks, the model is run at `rate_hz` on `exercise`: the path of an `.npy` of inputs
    `[n, *input_shape]`, or "random" for random ones; not at all where it is "none".
    `emulated_gflops` makes this host stand for a slower device, of that pace in matrix products: a latency is then what
    the inference would take there, and the worker sleeps the difference.
    """

    path: str
    sha256: str
    runtime: str = "onnxruntime"
    ram_total_bytes: int | None = None
    ram_model_bytes: int | None = None
    latency_p95_ms: float | None = None
    golden_seed: int = 0
    golden_outputs: list[list[float]] = []
    golden_tolerance: float = 1e-3
    warmup: int = 20
    samples: int = 200
    emulated_gflops: float | None = None
    model: str = "model@1"
    listen: list[int] = []
    rate_hz: float = 1.0
    exercise: str = "random"
    window_s: float = 30.0


class DoingLine(msgspec.Struct, frozen=True, kw_only=True, tag="doing"):
    """What comes next, as in "importing onnxruntime": a library may end the process without another word."""

    what: str


class LoadingLine(msgspec.Struct, frozen=True, kw_only=True, tag="loading"):
    """The runtime alone is in memory, and the process may come to hold `ram_bytes` in all.

    A runtime that is refused memory may die of it (ncnn writes to where it got none), and no `TrialLine` follows.
    """

    ram_bytes: int


class TrialLine(msgspec.Struct, frozen=True, kw_only=True, tag="trial"):
    """The verdict; `golden_outputs` are the first `GOLDEN_VALUES` values of each golden input's first output.

    `latency_cpu_p50_ms` and `latency_cpu_p95_ms` are the thread's CPU time without any emulation: what an idle core
    would have taken, whatever else this host is doing.
    """

    trial: Trial
    golden_outputs: list[list[float]] = []
    latency_cpu_p50_ms: float | None = None
    latency_cpu_p95_ms: float | None = None


class WindowLine(msgspec.Struct, frozen=True, kw_only=True, tag="window"):
    """What the worker saw in one interval; the supervisor adds what the sensors say.

    `asked` are the inferences that were asked for, and `shed` those of them that were refused unrun; what was asked and
    is in neither `count` nor `shed` still waits.
    """

    duration_s: float
    count: int
    errors: int
    busy_s: float
    cpu_s: float = 0.0
    rss_bytes: int
    ram_peak_bytes: int
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_mean_ms: float | None = None
    latency_source: str = "measured"
    cpu_per_inference_s: float | None = None
    asked: int | None = None
    shed: int | None = None
    queue_mean_ms: float | None = None
    queue_p95_ms: float | None = None


class Go(msgspec.Struct, frozen=True, kw_only=True, tag="go"):
    """The trial was accepted: serve."""


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag="drain"):
    """Another worker has taken over: end as soon as everyone who is connected has had an answer, `within_s` at most."""

    within_s: float


Word = Go | Drain
WorkerLine = DoingLine | LoadingLine | TrialLine | WindowLine
_ENCODER = msgspec.json.Encoder()
_LINES = msgspec.json.Decoder(WorkerLine)
_WORDS = msgspec.json.Decoder(Word)


def to_line(message: msgspec.Struct) -> bytes:
    return _ENCODER.encode(message) + b"\n"


def read_line(line: bytes) -> WorkerLine:
    decoded: WorkerLine = _LINES.decode(line)
    return decoded


def read_word(line: bytes) -> Word:
    decoded: Word = _WORDS.decode(line)
    return decoded
