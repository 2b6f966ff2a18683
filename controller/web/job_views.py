"""Jobs and ladders as the API shows them: what was asked for, how it is going, what came of it and what would do."""

from __future__ import annotations

from collections.abc import Sequence

from agent.wire.profile import RUNTIMES
from controller.core.caps import closest, shippable, uses
from controller.core.ladder import ladder
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import JobKind, JobState, PruneJob
from controller.core.nouns.model import Model
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.variant import Variant
from controller.core.relax import relaxations_of_caps
from controller.web.device_views import Json, short
from controller.web.views import variant_view

_USES = {Constraint.RAM_MODEL: "ram", Constraint.STORAGE: "storage", Constraint.DEADLINE: "latency"}


def job_view(job: PruneJob) -> Json:
    return {
        "id": job.id,
        "model": job.model,
        "kind": job.kind,
        "state": job.state,
        "ram_cap_bytes": job.caps.ram_bytes,
        "storage_cap_bytes": job.caps.storage_bytes,
        "runtime": job.caps.runtime,
        "latency_cap_ms": None if job.caps.latency_s is None else job.caps.latency_s * 1e3,
        "rungs": job.rungs,
        "share": job.share,
        "budget_s": job.budget_s,
        "asked": job.asked,
        "sha256": job.sha256,
        "variant": short(job.sha256),
        "binding": job.binding,
        "detail": job.detail,
        "attempts": job.attempts,
        "created_unix_s": job.created_unix_s,
        "finished_unix_s": job.finished_unix_s,
    }


def job_detail(job: PruneJob, model: Model, variants: Sequence[Variant], refine: PruneJob | None) -> Json:
    """A job with its answer: what it made, or the variant closest to its caps and what would do; or its report. A prune
    also with the `refine` that follows it, where there is one.

    `closest` and `relaxations` are of the variants that are known now; none is below the accuracy floor.
    """
    done, refused = job.state is JobState.DONE, job.state is JobState.INFEASIBLE
    of_runtime = [each for each in variants if each.runtime == job.caps.runtime]
    candidates = shippable(of_runtime, model.accuracy_floor) if refused else []
    made = next((each for each in variants if done and each.sha256 == job.sha256), None)
    near = closest(job.caps, candidates)
    return {
        **job_view(job),
        "made": None if made is None else variant_view(made),
        "closest": None if near is None else variant_view(near),
        **_uses(job.caps, made or near),
        "relaxations": list(relaxations_of_caps(job.caps, candidates, job.least)),
        "report": None if job.report is None else report_view(job.report),
        "refine": None if refine is None or job.kind is not JobKind.PRUNE else job_view(refine),
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


def ladder_view(variants: Sequence[Variant], runtime: str = RUNTIMES[0]) -> list[Json]:
    """Rung 0 is the dense variant; `speedup` and `saved_share` are against it."""
    return [
        {"rung": at, **variant_view(each.variant), "speedup": each.speedup, "saved_share": each.saved_share}
        for at, each in enumerate(ladder([each for each in variants if each.runtime == runtime]))
    ]


def is_measuring(job: PruneJob, model: Model) -> bool:
    """True of the job that makes the model's dense variant."""
    return job.model == model.ref and job.kind is JobKind.DENSE
