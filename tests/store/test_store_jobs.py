"""Jobs come back as they went in, whatever they are to make, and rows stand as clients and older releases know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from agent.wire.profile import Runtime
from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.model import Model
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.work import Dense, JobKind, Ladder, Prediction, Prune, Refine, Unstructured, Work
from controller.store import Store
from controller.store.jobs import job_row
from controller.store.tables import jobs

MODEL = Model(name="fall", version="1", spec_path="/m.yaml", digest="d")
NO_CAPS = {"ram_bytes": None, "storage_bytes": None, "latency_s": None, "runtime": "onnxruntime"}
CAPS = {**NO_CAPS, "ram_bytes": 2**34, "latency_s": 0.01}
SIDE = {
    "zeros_share": 0.8, "size_bytes": 2**33, "transfer_bytes": 9, "latency_p50_s": 0.1, "latency_p95_s": 0.2,
    "ram_bytes": 2**34, "accuracy": None, "accuracy_low": None, "accuracy_high": None,
}  # fmt: skip
ROW = {
    "id": "j1", "model": "fall@1", "caps": NO_CAPS, "rungs": None, "share": None, "asked": False, "audit": False,
    "budget_s": None, "prediction": None, "state": "queued", "sha256": None, "binding": None, "least": None,
    "detail": "", "report": None, "retry": True, "attempts": 0, "created_unix_s": 0.0, "finished_unix_s": None,
}  # fmt: skip
PREDICTION = {"against": "ab", "win": 0.01, "high": 0.02, "error": 0.005, "scale": 0.0}
ROWS: tuple[tuple[Mapping[str, Any], Work], ...] = (
    ({"kind": "dense"}, Dense()),
    ({"kind": "prune", "caps": CAPS}, Prune(Caps(2**34, None, 0.01))),
    (
        {"kind": "prune", "caps": CAPS, "prediction": PREDICTION, "audit": True, "budget_s": 60.0, "binding": "storage",
         "least": {**NO_CAPS, "runtime": "ncnn"}},
        Prune(
            Caps(2**34, None, 0.01), Prediction(against="ab", win=0.01, high=0.02, error=0.005), True, 60.0,
            Constraint.STORAGE, Caps(runtime=Runtime.NCNN),
        ),
    ),
    ({"kind": "ladder", "rungs": 8}, Ladder(8)),
    ({"kind": "unstructured", "share": 0.8}, Unstructured(0.8)),
    (
        {"kind": "unstructured", "share": 0.8,
         "report": {"share": 0.8, "dense": SIDE, "sparse": SIDE, "compression": "z"}},
        Unstructured(
            0.8, SparsityReport(share=0.8, dense=SparseSide(**SIDE), sparse=SparseSide(**SIDE), compression="z")
        ),
    ),
    ({"kind": "refine", "caps": CAPS, "budget_s": 600.0}, Refine(Caps(2**34, None, 0.01), 600.0)),
)  # fmt: skip


def with_model(store: Store) -> Store:
    with store.begin() as tx:
        tx.put_model(MODEL)
    return store


@pytest.mark.parametrize(("own", "work"), ROWS)
def test_a_row_says_of_each_kind_what_it_always_said_and_of_the_others_nothing(
    store: Store, own: Mapping[str, Any], work: Work
) -> None:
    job = Job(id="j1", model="fall@1", work=work)
    assert job_row(job) == {**ROW, **own}
    with with_model(store).begin() as tx:
        tx._connection.execute(insert(jobs).values({**ROW, **own}))
        assert tx.jobs() == [job]
        tx.put_job(job)
        (kept,) = tx._connection.execute(select(jobs)).mappings()
    assert dict(kept) == {**ROW, **own}


figures = st.floats(allow_nan=False, allow_infinity=False)
counts, shares = st.integers(0, 2**60), st.floats(0, 1)
runtimes = st.sampled_from(Runtime)
caps = st.builds(Caps, st.none() | counts, st.none() | counts, st.none() | figures, runtimes)
predictions = st.builds(
    Prediction, against=st.text("0123456789abcdef"), win=figures, high=figures, error=figures, scale=figures
)
sides = st.builds(
    SparseSide, zeros_share=shares, size_bytes=counts, transfer_bytes=counts, latency_p50_s=figures,
    latency_p95_s=figures, ram_bytes=counts, accuracy=st.none() | shares,
)  # fmt: skip
reports = st.builds(SparsityReport, share=shares, dense=sides, sparse=sides, compression=st.text("az é"))
OF_KIND: Mapping[JobKind, st.SearchStrategy[Work]] = {
    JobKind.DENSE: st.just(Dense()),
    JobKind.PRUNE: st.builds(
        Prune, caps, st.none() | predictions, st.booleans(), st.none() | figures,
        st.none() | st.sampled_from(Constraint), st.none() | caps,
    ),
    JobKind.LADDER: st.builds(Ladder, st.integers(1, 2**31 - 1)),
    JobKind.UNSTRUCTURED: st.builds(Unstructured, shares, st.none() | reports),
    JobKind.REFINE: st.builds(Refine, caps, figures),
}  # fmt: skip
any_job = st.builds(
    Job, id=st.just("j1"), model=st.just("fall@1"), work=st.one_of(*OF_KIND.values()), asked=st.booleans(),
    state=st.sampled_from(JobState), sha256=st.none() | st.text("0123456789abcdef"), detail=st.text("az é\n"),
    retry=st.booleans(), attempts=st.integers(0, 2**31 - 1), created_unix_s=figures,
    finished_unix_s=st.none() | figures,
)  # fmt: skip


def test_every_kind_has_one_class_that_says_so() -> None:
    assert {each.__struct_config__.tag for each in get_args(Work)} == set(JobKind) == set(OF_KIND)
    assert len(get_args(Work)) == len(JobKind)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(job=any_job)
def test_any_job_comes_back(store: Store, job: Job) -> None:
    with with_model(store).begin() as tx:
        tx.put_job(job)
    with store.read() as tx:
        found = tx.get_job(job.id)
        assert tx.jobs() == tx.jobs(job.state) == [found]
        assert tx.jobs_among(["j1", "j2"]) == {"j1": found}
    assert found == job
    assert found.key == job.key
