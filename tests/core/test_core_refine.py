"""What follows a prune: nothing, most of the time; else one refine, which a larger budget takes further."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.jobs import identified
from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.work import Dense, Ladder, Prune, Refine, Unstructured, Work
from controller.core.refine import refine_of, refined, refinement, to_queue
from tests.core.builders import MODEL, NOW, catalog

REFINED = replace(MODEL, refine_s=600.0)
CAPS = Caps(ram_bytes=5)
PRUNE = identified(
    Job(id="", model=MODEL.ref, work=Prune(CAPS), state=JobState.DONE, sha256="half", finished_unix_s=NOW)
)


def pruned(**fields: Any) -> Job:
    return replace(PRUNE, work=Prune(CAPS, **fields))


def refine(budget_s: float = 600.0, **fields: Any) -> Job:
    assert WANTED is not None
    return replace(WANTED, work=Refine(CAPS, budget_s), **fields)


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.DONE])
def test_a_prune_that_is_not_done_has_nothing_to_make_better(state: JobState) -> None:
    assert refinement(replace(PRUNE, state=state), REFINED) is None


@pytest.mark.parametrize(
    "work", [Dense(), Ladder(8), Unstructured(0.8), Refine(CAPS, 600.0)], ids=lambda work: work.kind
)
def test_only_a_prune_is_refined(work: Work) -> None:
    assert refinement(replace(PRUNE, work=work), REFINED) is None


def test_without_a_budget_nothing_follows_and_a_prunes_own_word_counts_before_its_models() -> None:
    assert refinement(PRUNE, MODEL) is None
    assert refinement(pruned(budget_s=0.0), REFINED) is None
    assert refinement(pruned(budget_s=-1.0), REFINED) is None
    for prune, model, budget_s in ((PRUNE, REFINED, 600.0), (pruned(budget_s=9.0), MODEL, 9.0)):
        found = refinement(prune, model)
        assert found is not None
        assert found.work == Refine(CAPS, budget_s)


def test_an_audit_is_refined_only_where_an_operator_asked_for_it() -> None:
    audit = pruned(audit=True)
    assert refinement(audit, REFINED) is None
    assert refinement(replace(audit, asked=True), REFINED) is not None


def test_it_is_asked_for_under_the_same_caps_with_a_name_of_its_own_and_knows_its_prune() -> None:
    found = refinement(PRUNE, REFINED)
    assert found is not None
    assert (found.work, found.state, found.asked) == (Refine(CAPS, 600.0), JobState.QUEUED, True)
    assert found.created_unix_s == NOW
    assert (found == identified(found), found.id != PRUNE.id) == (True, True)
    assert refined(found.model, Refine(CAPS, 600.0)) == PRUNE.id
    assert refine_of(PRUNE.model, Prune(CAPS)) == found.id


WANTED = refinement(PRUNE, REFINED)
assert WANTED is not None


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.STOPPING])
def test_one_at_work_is_left_alone_whatever_its_budget(state: JobState) -> None:
    assert WANTED is not None
    assert to_queue(WANTED, refine(1.0, state=state), again=True) is None


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize("budget_s", [600.0, 601.0])
def test_one_that_has_as_much_already_is_left_alone_and_a_failure_too_unless_told(
    state: JobState, budget_s: float
) -> None:
    assert WANTED is not None
    known = refine(budget_s, state=state, detail="as it was", attempts=2)
    assert to_queue(WANTED, known, again=False) is None
    anew = to_queue(WANTED, known, again=True)
    assert anew == (WANTED if state in (JobState.FAILED, JobState.INFEASIBLE) else None)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.DONE, JobState.INFEASIBLE, JobState.FAILED])
def test_a_larger_budget_takes_it_further(state: JobState) -> None:
    assert WANTED is not None
    known = refine(60.0, state=state, sha256="half", attempts=2)
    further = to_queue(WANTED, known, again=False)
    assert further == refine(600.0, sha256="half")


def test_what_there_is_none_of_is_queued() -> None:
    assert WANTED is not None
    assert to_queue(WANTED, None, again=False) == WANTED


@pytest.mark.parametrize("state", list(JobState))
def test_no_refine_is_taken_for_the_answer_of_its_prune(state: JobState) -> None:
    """Its caps are the same; a prune's answer is its own."""
    assert WANTED is not None
    known = catalog(replace(WANTED, state=state, sha256="half"))
    assert known.answer(PRUNE.caps) is None
    assert not known.is_made(PRUNE.caps)
