"""Jobs: one-off prunes, ladders and sparsity reports that an operator asks for, and how every job is going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from agent.wire.errors import WireError
from agent.wire.profile import Runtime, runtime_of
from controller.core.intents import AskJob
from controller.core.nouns import work
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import JobState
from controller.core.refine import refine_of
from controller.loop import pages
from controller.web.answers import Json, Port, found
from controller.web.api.models import resolve
from controller.web.device_views import Json as Row
from controller.web.job_views import job_detail, job_view, ladder_view
from controller.web.pages import Wanted, answer
from controller.web.port import ControllerPort

router = APIRouter(tags=["jobs"])


@dataclass
class Prune:
    """At least one cap, in the reference host's terms; latency is the p95.

    `again` also where it failed or found nothing before. `refine_s`: how long a refine may follow it, 0 for none, null
    as its model says.
    """

    ram_cap_bytes: int | None = None
    storage_cap_bytes: int | None = None
    latency_cap_ms: float | None = None
    runtime: str = Runtime.ONNXRUNTIME.value
    refine_s: float | None = None
    again: bool = False


@dataclass
class Ladder:
    rungs: int = 12
    again: bool = False


@dataclass
class Unstructured:
    """`share` of the weights is set to zero."""

    share: float = 0.8
    again: bool = False


@router.get("/jobs")
def list_jobs(port: Port, asked: Wanted, state: Annotated[Sequence[JobState], Query()] = ()) -> Json:
    """Newest first."""
    page = port.look(lambda fleet: pages.jobs(fleet, state, asked.after, asked.limit))
    with port.read() as tx:
        jobs = tx.jobs_among(page.names)
    return answer(page, {name: job_view(each) for name, each in jobs.items()}, asked)


@router.get("/jobs/{job}")
def show_job(port: Port, job: str) -> Json:
    return Json(_detail(port, job))


@router.post("/models/{ref}/prune", status_code=202)
def ask_prune(port: Port, ref: str, body: Prune) -> Json:
    """The job under these caps: a new one, or the one that was asked for before, with its answer."""
    latency_s = None if body.latency_cap_ms is None else body.latency_cap_ms / 1e3
    caps = Caps(body.ram_cap_bytes, body.storage_cap_bytes, latency_s, _runtime(body.runtime))
    return _ask(port, AskJob(_ref(port, ref), work.Prune(caps, budget_s=body.refine_s), body.again))


@router.post("/models/{ref}/ladder", status_code=202)
def ask_ladder(port: Port, ref: str, body: Ladder) -> Json:
    return _ask(port, AskJob(_ref(port, ref), work.Ladder(body.rungs), body.again))


@router.post("/models/{ref}/unstructured", status_code=202)
def ask_unstructured(port: Port, ref: str, body: Unstructured) -> Json:
    return _ask(port, AskJob(_ref(port, ref), work.Unstructured(body.share), body.again))


@router.get("/models/{ref}/ladder", tags=["models"])
def show_ladder(port: Port, ref: str) -> Json:
    with port.read() as tx:
        return Json(ladder_view(tx.variants(resolve(tx, ref).ref)))


def _runtime(name: str) -> Runtime:
    try:
        return runtime_of(name)
    except WireError as error:
        raise WireError(f"runtime {error}") from None


def _ref(port: ControllerPort, ref: str) -> str:
    with port.read() as tx:
        return resolve(tx, ref).ref


def _ask(port: ControllerPort, intent: AskJob) -> Json:
    return Json(_detail(port, port.submit(intent)), status_code=202)


def _detail(port: ControllerPort, name: str) -> Row:
    with port.read() as tx:
        job = found(tx.get_job(name), "job", name)
        prune = job.work if isinstance(job.work, work.Prune) else None
        refine = None if prune is None else tx.get_job(refine_of(job.model, prune))
        detail = job_detail(job, resolve(tx, job.model), tx.variants(job.model), refine)
    return {**detail, "file": str(port.artifact(detail["sha256"])) if detail["made"] else None}
