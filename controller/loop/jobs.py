"""Jobs as the daemon sees them: started by an action, heard of again as facts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from controller.core.nouns.job import Job
from controller.core.nouns.model import Model
from controller.loop.facts import Fact, JobEnded, JobMade, JobMoved
from controller.pruning.job import JobPolicy, JobRequest, JobRunner


class ProcessJobs:
    """One process a job, which trains on `threads` cores. `report_to` must be called before the first `start`."""

    def __init__(self, artifacts: Path, threads: int) -> None:
        self._artifacts, self._threads = artifacts, threads
        self._runner = JobRunner()
        self._report: Callable[[Fact], None] = lambda _fact: None

    def report_to(self, report: Callable[[Fact], None]) -> None:
        self._report = report

    def start(self, job: Job, model: Model, start_from: tuple[str, ...]) -> None:
        request = JobRequest(
            work=job.work,
            spec_path=model.spec_path,
            artifact_dir=str(self._artifacts),
            start_from=start_from,
            threads=self._threads,
            policy=JobPolicy(
                accuracy_floor=model.accuracy_floor, accuracy_margin=model.accuracy_margin, recovery=model.recovery
            ),
        )
        self._runner.start(
            job.id,
            request,
            lambda job_id, share, text: self._report(JobMoved(job_id, share, text)),
            lambda job_id, result: self._report(JobEnded(job_id, result)),
            lambda job_id, variant: self._report(JobMade(job_id, variant)),
        )

    def cancel(self, job: str) -> None:
        self._runner.cancel(job)

    def stop(self) -> None:
        self._runner.close()
