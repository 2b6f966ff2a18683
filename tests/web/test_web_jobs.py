"""Jobs and ladders over the API: what is asked for, how an answer reads, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.core.intents import AskJob
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.work import Dense, Ladder, Prune
from controller.core.refine import refine_of
from tests.real import DENSE, SHA, RealController
from tests.web.conftest import variant

API = "/api/v1"
CAPS = Caps(ram_bytes=2_000_000, latency_s=0.005)


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    answer = client.post(f"{API}{path}", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_the_same_caps_are_the_same_job(client: httpx.Client, controller: RealController) -> None:
    asked = post(client, "/models/fall/prune", ram_cap_bytes=2_000_000, latency_cap_ms=5)
    assert (asked["kind"], asked["state"], asked["model"]) == ("prune", "running", "fall@1")
    assert (asked["latency_cap_ms"], asked["storage_cap_bytes"], asked["asked"]) == (5.0, None, True)
    assert controller.asked == [AskJob("fall@1", Prune(CAPS))]
    assert post(client, "/models/fall@1/prune", ram_cap_bytes=2_000_000, latency_cap_ms=5.0) == asked
    assert client.get(f"{API}/jobs/{asked['id']}").json() == asked
    assert asked["id"] in [each["id"] for each in client.get(f"{API}/jobs").json()["items"]]


def test_a_job_that_is_done_shows_what_it_made_its_use_of_each_cap_and_its_file(
    client: httpx.Client, controller: RealController
) -> None:
    asked = post(client, "/models/fall/prune", ram_cap_bytes=6_000_000, latency_cap_ms=5)
    controller.end(asked["id"], state=JobState.DONE, variant=variant(SHA, dense=False), binding=Constraint.DEADLINE)
    job = client.get(f"{API}/jobs/{asked['id']}").json()
    assert (job["made"]["sha256"], job["closest"], job["relaxations"]) == (SHA, None, [])
    assert (job["ram_use_share"], job["storage_use_share"]) == (0.5, None)
    assert job["latency_use_share"] == pytest.approx(0.8)
    assert Path(job["file"]) == controller.artifacts.path(SHA)
    assert Path(job["file"]).is_file()


def test_a_prune_is_shown_with_the_refine_that_follows_it_which_counts_as_unfinished_until_it_has_ended(
    client: httpx.Client, controller: RealController
) -> None:
    asked = post(client, "/models/fall/prune", latency_cap_ms=5, refine_s=600)
    assert controller.asked == [AskJob("fall@1", Prune(Caps(latency_s=0.005), budget_s=600.0))]
    assert (asked["budget_s"], asked["refine"]) == (600.0, None)
    before = client.get(f"{API}/health").json()["jobs_unfinished"]
    controller.end(asked["id"], state=JobState.DONE, variant=variant(SHA, dense=False))
    refine = controller.job(refine_of("fall@1", Prune(Caps(latency_s=0.005))))
    controller.move(refine.id, 0.4, "recovering")
    other = post(client, "/models/fall/prune", latency_cap_ms=9)
    controller.end(other["id"], state=JobState.FAILED)
    shown = client.get(f"{API}/jobs/{asked['id']}").json()["refine"]
    assert (shown["id"], shown["kind"], shown["state"], shown["budget_s"]) == (refine.id, "refine", "stopping", 600.0)
    assert client.get(f"{API}/health").json()["jobs_unfinished"] == before
    jobs = client.get(f"{API}/jobs", params={"state": ["queued", "running", "stopping"]}).json()["items"]
    assert ("refine", "stopping") in [(each["kind"], each["state"]) for each in jobs]
    controller.end(refine.id, state=JobState.DONE, variant=variant(DENSE, dense=True))
    job = client.get(f"{API}/jobs/{refine.id}").json()
    assert (job["made"]["sha256"], job["latency_cap_ms"], job["refine"]) == (DENSE, 5.0, None)


def test_a_refusal_has_the_closest_variant_and_what_would_do(client: httpx.Client, controller: RealController) -> None:
    asked = post(client, "/models/fall/prune", ram_cap_bytes=1_000_000, latency_cap_ms=2)
    controller.end(
        asked["id"],
        state=JobState.INFEASIBLE,
        variant=variant("ee" * 32, dense=False),
        binding=Constraint.RAM_MODEL,
        detail="no",
    )
    job = client.get(f"{API}/jobs/{asked['id']}").json()
    assert (job["made"], job["file"], job["binding"]) == (None, None, "ram.model")
    assert job["closest"]["sha256"] in (SHA, DENSE)
    assert job["relaxations"] == ["1.92 MiB more RAM and a latency of 4.02 ms"]
    assert job["ram_use_share"] == 3.0


def test_what_is_below_the_floor_would_not_do(client: httpx.Client, controller: RealController) -> None:
    for sha256 in (SHA, DENSE):
        low = replace(variant(sha256, dense=sha256 == DENSE), accuracy=0.8)
        controller.put(lambda tx, low=low: tx.put_variant(low))
    asked = post(client, "/models/fall/prune", latency_cap_ms=2)
    controller.end(asked["id"], state=JobState.INFEASIBLE, binding=Constraint.DEADLINE)
    job = client.get(f"{API}/jobs/{asked['id']}").json()
    assert (job["closest"], job["relaxations"], job["latency_use_share"]) == (None, [], None)


def test_a_report_is_shown_with_its_sentence(client: httpx.Client, controller: RealController) -> None:
    side = SparseSide(
        zeros_share=0.0, size_bytes=9, transfer_bytes=8, latency_p50_s=0.1, latency_p95_s=0.2, ram_bytes=7
    )
    report = SparsityReport(share=0.9, dense=side, sparse=replace(side, zeros_share=0.9, transfer_bytes=4))
    asked = post(client, "/models/fall/unstructured", share=0.9)
    assert (asked["kind"], asked["share"], asked["report"]) == ("unstructured", 0.9, None)
    controller.end(asked["id"], state=JobState.DONE, report=report)
    shown = client.get(f"{API}/jobs/{asked['id']}").json()["report"]
    assert (shown["dense"]["latency_p50_ms"], shown["sparse"]["transfer_bytes"]) == (100.0, 4)
    assert shown["conclusion"].startswith("90 % zeros save 50 % of the bytes to transfer")


def test_a_ladder_is_asked_for_and_shown(client: httpx.Client, controller: RealController) -> None:
    asked = post(client, "/models/fall/ladder", rungs=4)
    assert controller.asked == [AskJob("fall@1", Ladder(4))]
    assert (asked["kind"], asked["rungs"]) == ("ladder", 4)
    small = replace(variant("ee" * 32, dense=False), size_bytes=90_000, latency_p50_s=0.001, drop=0.01, drop_low=0.0)
    controller.put(lambda tx: tx.put_variant(replace(small, drop_high=0.02, gate_samples=900)))
    dense, rung = client.get(f"{API}/models/fall/ladder").json()
    assert (dense["rung"], dense["dense"], dense["speedup"], dense["drop"]) == (0, True, 1.0, None)
    assert (rung["rung"], rung["drop_high"], rung["gate_samples"]) == (1, 0.02, 900)
    assert rung["speedup"] == pytest.approx(3.0)
    assert rung["saved_share"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/models/nobody/prune", {"latency_cap_ms": 5}, 404),
        ("/models/nobody/ladder", {}, 404),
        ("/models/nobody/unstructured", {}, 404),
        ("/models/fall/prune", {"latency_cap_ms": "soon"}, 422),
        ("/models/fall/prune", {"latency_cap_ms": 5, "refine_s": "long"}, 422),
        ("/models/fall/ladder", {"rungs": "many"}, 422),
        ("/models/fall/prune", {}, 400),
        ("/models/fall/prune", {"ram_cap_bytes": 0}, 400),
        ("/models/fall/prune", {"latency_cap_ms": 5, "runtime": "abacus"}, 400),
        ("/models/fall/ladder", {"rungs": 99}, 400),
        ("/models/fall/unstructured", {"share": 1}, 400),
    ],
)
def test_what_cannot_be_asked_for_is_refused(client: httpx.Client, path: str, body: Any, status: int) -> None:
    answer = client.post(f"{API}{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_unknown_jobs_and_ladders_are_404(client: httpx.Client) -> None:
    assert client.get(f"{API}/jobs/nothing").json() == {"error": "there is no job 'nothing'"}
    assert client.get(f"{API}/models/nobody/ladder").status_code == 404


def test_a_model_is_measured_by_its_dense_job_and_by_no_other(client: httpx.Client, controller: RealController) -> None:
    running = Job(id="l", model="fall@1", work=Ladder(8), state=JobState.RUNNING)
    controller.put(lambda tx: tx.put_job(running))
    assert client.get(f"{API}/models/fall").json()["state"] is None
    done = Job(id="d", model="fall@1", work=Dense(), state=JobState.DONE)
    controller.put(lambda tx: tx.put_job(done))
    assert client.get(f"{API}/models/fall").json()["state"] == "done"
