"""One job in its own process, watched: what it said when, what memory it took, and how it ended."""

from __future__ import annotations

import queue
import time
from typing import Any

from controller.core.nouns.variant import Variant
from controller.pruning.job import JobRequest, JobResult, JobRunner
from tests.bench.soon.honesty import honesty
from tests.bench.soon.memory import Peak
from tests.bench.soon.stages import Tick, seconds_by_stage

_LOOK_EVERY_S = 0.5
_KEPT = (
    *("sha256", "precision", "parameters", "size_bytes", "latency_p50_s", "latency_p95_s"),
    *("accuracy", "accuracy_low", "accuracy_high"),
)
Row = dict[str, Any]


def watch(name: str, request: JobRequest, limit_s: float) -> tuple[JobResult, Row]:
    """Stopped after `limit_s`: its row then says that it did not end."""
    runner, peak, ticks = JobRunner(), Peak(), list[Tick]()
    ended = queue.Queue[tuple[float, JobResult]]()
    began_s = time.monotonic()
    runner.start(
        name,
        request,
        lambda _id, share, words: ticks.append((time.monotonic() - began_s, share, words)),
        lambda _id, result: ended.put((time.monotonic() - began_s, result)),
    )
    stopped = False
    while ended.empty():
        pid = runner.pid(name)
        if pid is not None:
            peak.look(pid)
        if not stopped and time.monotonic() - began_s > limit_s:
            stopped = runner.cancel(name)
        time.sleep(_LOOK_EVERY_S if ended.empty() else 0)
    seconds, result = ended.get()
    return result, _row(seconds, result, ticks) | {"ended": not stopped, "peak_bytes": peak.bytes}


def _row(seconds: float, result: JobResult, ticks: list[Tick]) -> Row:
    return {
        "seconds": seconds,
        "state": str(result.state),
        "detail": result.detail,
        "stages": seconds_by_stage(ticks, seconds),
        "progress": honesty(ticks, seconds),
        "variant": None if result.variant is None else _told(result.variant),
        "ticks": ticks,
    }


def _told(variant: Variant) -> Row:
    recovery_s = variant.lineage.get("recovery_cpu_s", 0.0)
    return {each: getattr(variant, each) for each in _KEPT} | {"recovery_cpu_s": recovery_s}
