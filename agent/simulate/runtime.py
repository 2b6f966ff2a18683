"""A modelled worker: what a trial and a window would have shown, from an artifact's cost and the device's slowness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.wire.errors import Failure
from agent.wire.messages import Assignment, Trial
from agent.wire.work import WindowLine

P95, P99 = 1.1, 1.25
"""Tail latencies as multiples of the median."""

Cost = Callable[[str], tuple[int, float] | None]
"""sha256 -> (bytes that it takes above the runtime's base, latency on the reference host in seconds).

None while that is still being measured, `KeyError` for an artifact that no runtime can load.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """An artifact on this device as it is now."""

    ram_base_bytes: int
    ram_bytes: int
    latency_s: float

    @property
    def peak_bytes(self) -> int:
        return self.ram_base_bytes + self.ram_bytes

    def duty(self, rate_hz: float) -> float:
        return min(1.0, rate_hz * self.latency_s)


@dataclass(slots=True)
class SimWorker:
    """A worker on trial until `due_s`; then serving, and `due_s` is the end of its window."""

    id: int
    assignment: Assignment
    judged: bool
    due_s: float
    serving: bool = False


def trial(assignment: Assignment, load: Load | None, *, judged: bool) -> Trial:
    """The verdict of a trial under `load`; None stands for an artifact that does not load."""
    if load is None:
        return Trial(sha256=assignment.sha256, passed=False, failure=Failure.BAD_MODEL, detail="it does not load")
    failure, detail = _judge(assignment, load, judged=judged)
    return Trial(
        sha256=assignment.sha256,
        passed=failure is None,
        failure=failure,
        detail=detail,
        ram_base_bytes=load.ram_base_bytes,
        ram_peak_bytes=load.peak_bytes,
        latency_p50_ms=load.latency_s * 1e3,
        latency_p95_ms=load.latency_s * P95 * 1e3,
        golden_max_error=0.0,
        samples=200,
    )


def window(assignment: Assignment, load: Load, duration_s: float) -> WindowLine:
    """An interval of paced service; a latency above the period means fewer inferences, not a queue.

    Nobody but the pace asks, one after another, and nothing else runs: there is no queue or busy host to speak of.
    """
    count = round(duration_s * min(assignment.rate_hz, 1 / load.latency_s))
    return WindowLine(
        duration_s=duration_s,
        count=count,
        errors=0,
        busy_s=count * load.latency_s,
        rss_bytes=load.peak_bytes,
        ram_peak_bytes=load.peak_bytes,
        latency_p50_ms=load.latency_s * 1e3,
        latency_p95_ms=load.latency_s * P95 * 1e3,
        latency_p99_ms=load.latency_s * P99 * 1e3,
        latency_mean_ms=load.latency_s * 1e3,
        latency_source="modelled",
        cpu_per_inference_s=load.latency_s if count else None,
        asked=count,
        shed=0,
    )


def _judge(assignment: Assignment, load: Load, *, judged: bool) -> tuple[Failure | None, str]:
    total, model, p95_ms = assignment.ram_total_bytes, assignment.ram_model_bytes, assignment.latency_p95_ms
    if total is not None and load.peak_bytes > total:
        return Failure.MEMORY, f"{load.peak_bytes} bytes at the peak, {total} allowed"
    if model is not None and load.ram_bytes > model:
        return Failure.MEMORY, f"{load.ram_bytes} bytes above the base, {model} allowed"
    if judged and p95_ms is not None and load.latency_s * P95 * 1e3 > p95_ms:
        return Failure.LATENCY, f"p95 of {load.latency_s * P95 * 1e3:.1f} ms, {p95_ms:.1f} ms allowed"
    return None, ""
