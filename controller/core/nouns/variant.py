"""One artifact of a model, as it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.wire.profile import Runtime
from controller.core.nouns.evidence import Evidence


class Precision(StrEnum):
    """What a variant computes with."""

    FP32 = "fp32"
    INT8 = "int8"


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
    precision: Precision
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
    runtime: Runtime = Runtime.ONNXRUNTIME
    golden_seed: int = 0
    golden_outputs: tuple[tuple[float, ...], ...] = ()
    golden_tolerance: float = 1e-3
    lineage: Mapping[str, object] = field(default_factory=dict)
    created_unix_s: float = 0.0
