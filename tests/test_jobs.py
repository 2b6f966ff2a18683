"""Jobs as the daemon has them run: each in a process of its own, which can be ended."""

from __future__ import annotations

import queue
from pathlib import Path

from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job, JobState
from controller.core.nouns.model import Model
from controller.core.nouns.work import Prune
from controller.loop.facts import Fact, JobEnded
from controller.loop.jobs import ProcessJobs

MODEL = Model(name="none", version="1", spec_path="/there/is/none.yaml", digest="")
JOB = Job(id="j", model=MODEL.ref, work=Prune(Caps(ram_bytes=1)))


def test_a_job_that_is_ended_says_so_once_and_as_what_may_pass(tmp_path: Path) -> None:
    facts, jobs = queue.Queue[Fact](), ProcessJobs(tmp_path, 1)
    jobs.report_to(facts.put)
    jobs.start(JOB, MODEL, ())
    jobs.cancel(JOB.id)
    fact = facts.get(timeout=60)
    assert isinstance(fact, JobEnded)
    assert (fact.job, fact.result.state, fact.result.detail, fact.result.retry) == (
        JOB.id, JobState.FAILED, "cancelled", True
    )  # fmt: skip
    jobs.cancel(JOB.id)
    jobs.cancel("nobody")
    assert facts.empty()
