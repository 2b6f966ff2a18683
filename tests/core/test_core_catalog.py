"""A catalog that grows job by job says what one says that is made anew."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.core.catalog import Catalog, catalog_of
from controller.core.jobs import identified
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.work import Prune
from tests.core.builders import LADDER, MODEL, always, catalog

LATENCIES_S = (0.001, 0.002, 0.0021, 0.005)
CAPS = [Caps(latency_s=each) for each in LATENCIES_S]


def job(at: int, state: JobState, least_s: float | None) -> Job:
    least = None if least_s is None else Caps(latency_s=least_s)
    made = LADDER[at % 3].sha256 if state is JobState.DONE else None
    asked_unix_s = float(at % 2)
    asked = identified(Job(id="", model=MODEL.ref, work=Prune(CAPS[at], least=least), created_unix_s=asked_unix_s))
    return replace(asked, state=state, sha256=made)


jobs = st.builds(
    job, st.integers(0, 3), st.sampled_from(JobState), st.sampled_from([None, 0.0015, 0.003])
)  # fmt: skip


def answers(of: Catalog) -> list[object]:
    """All that is asked of one, as by two kinds of devices."""
    each = (of, of.of_runtime("onnxruntime"))
    return [
        [(one.answer(caps), one.is_made(caps), one.too_small(caps)) for one in each for caps in CAPS],
        [(one.least("onnxruntime"), one.dense, one.may_ship, one.choose(one.variants)) for one in each],
        dict(of.jobs),
    ]


@always
@given(st.lists(st.lists(jobs, min_size=1, max_size=3), max_size=8), st.sets(st.integers(0, 7)))
def test_whatever_was_asked_of_it_before(told: list[list[Job]], asked: set[int]) -> None:
    grown, known = catalog(), dict[str, Job]()
    for at, moved in enumerate(told):
        if at in asked:
            answers(grown)
        before, said = grown, answers(grown) if at in asked else None
        latest = {each.key: each for each in moved}
        known.update(latest)
        grown = grown.with_jobs([*latest.values()])
        assert said is None or answers(before) == said, "who holds the one before is not told of what came after it"
    assert answers(grown) == answers(catalog_of(MODEL, LADDER, known.values()))


def test_what_hangs_on_variants_alone_is_worked_out_once() -> None:
    of = catalog()
    of.choose(LADDER)
    of.of_runtime("onnxruntime").choose(LADDER)
    grown = of.with_jobs([job(0, JobState.QUEUED, None)])
    assert grown._chosen == of._chosen != {}
    assert grown._by_runtime["onnxruntime"]._chosen == of._by_runtime["onnxruntime"]._chosen != {}


def test_of_two_that_asked_for_the_same_the_newer_counts() -> None:
    older = job(0, JobState.DONE, None)
    newer = replace(older, id="newer", created_unix_s=9.0, state=JobState.FAILED)
    assert catalog_of(MODEL, LADDER, [newer, older]).jobs == {newer.key: newer}
