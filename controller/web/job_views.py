"""Jobs and ladders as the API shows them: what was asked for, how it is going, what came of it and what would do."""

from __future__ import annotations

from collections.abc import Sequence

from agent.wire.profile import Runtime
from controller.core.caps import closest, shippable, uses
from controller.core.ladder import ladder
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.model import Model
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Dense, Ladder, Prune, Refine, Unstructured
from controller.core.relax import relaxations_of_caps
from controller.web.device_views import Json, short
from controller.web.views import variant_view

_USES = {Constraint.RAM_MODEL: "ram", Constraint.STORAGE: "storage", Constraint.DEADLINE: "latency"}


def job_view(job: Job) -> Json:
    work, caps = job.work, job.caps
    return {
        "id": job.id,
        "model": job.model,
        "kind": job.kind,
        "state": job.state,
        "ram_cap_bytes": caps.ram_bytes,
        "storage_cap_bytes": caps.storage_bytes,
        "runtime": caps.runtime,
        "latency_cap_ms": None if caps.latency_s is None else caps.latency_s * 1e3,
        "rungs": work.rungs if isinstance(work, Ladder) else None,
        "share": work.share if isinstance(work, Unstructured) else None,
        "budget_s": work.budget_s if isinstance(work, Prune | Refine) else None,
        "asked": job.asked,
        "sha256": job.sha256,
        "variant": short(job.sha256),
        "binding": work.binding if isinstance(work, Prune) else None,
        "detail": job.detail,
        "attempts": job.attempts,
        "created_unix_s": job.created_unix_s,
        "finished_unix_s": job.finished_unix_s,
    }


def job_detail(job: Job, model: Model, variants: Sequence[Variant], refine: Job | None) -> Json:
    """A job with its answer: what it made, or the variant closest to its caps and what would do; or its report. A prune
    also with the `refine` that follows it, where there is one.

    `closest` and `relaxations` are of the variants that are known now; none is below the accuracy floor.
    """
    done, refused = job.state is JobState.DONE, job.state is JobState.INFEASIBLE
    least = job.work.least if isinstance(job.work, Prune) else None
    report = job.work.report if isinstance(job.work, Unstructured) else None
    of_runtime = [each for each in variants if each.runtime == job.caps.runtime]
    candidates = shippable(of_runtime, model.accuracy_floor) if refused else []
    made = next((each for each in variants if done and each.sha256 == job.sha256), None)
    near = closest(job.caps, candidates)
    return {
        **job_view(job),
        "made": None if made is None else variant_view(made),
        "closest": None if near is None else variant_view(near),
        **_uses(job.caps, made or near),
        "relaxations": list(relaxations_of_caps(job.caps, candidates, least)),
        "report": None if report is None else report_view(report),
        "refine": None if refine is None else job_view(refine),
    }


def _uses(caps: Caps, variant: Variant | None) -> Json:
    """How much of each cap the variant takes; null where there is no such cap."""
    shares = {} if variant is None else {each.binding: each.share for each in uses(caps, variant)}
    return {f"{name}_use_share": shares.get(binding) for binding, name in _USES.items()}


def report_view(report: SparsityReport) -> Json:
    return {
        "share": report.share,
        "dense": _side(report.dense),
        "sparse": _side(report.sparse),
        "compression": report.compression,
        "conclusion": report.conclusion,
    }


def _side(side: SparseSide) -> Json:
    return {
        "zeros_share": side.zeros_share,
        "size_bytes": side.size_bytes,
        "transfer_bytes": side.transfer_bytes,
        "latency_p50_ms": side.latency_p50_s * 1e3,
        "latency_p95_ms": side.latency_p95_s * 1e3,
        "ram_bytes": side.ram_bytes,
        "accuracy": side.accuracy,
        "accuracy_low": side.accuracy_low,
        "accuracy_high": side.accuracy_high,
    }


def ladder_view(variants: Sequence[Variant], runtime: Runtime = Runtime.ONNXRUNTIME) -> list[Json]:
    """Rung 0 is the dense variant; `speedup` and `saved_share` are against it."""
    return [
        {"rung": at, **variant_view(each.variant), "speedup": each.speedup, "saved_share": each.saved_share}
        for at, each in enumerate(ladder([each for each in variants if each.runtime == runtime]))
    ]


def is_measuring(job: Job, model: Model) -> bool:
    """True of the job that makes the model's dense variant."""
    return job.model == model.ref and isinstance(job.work, Dense)
