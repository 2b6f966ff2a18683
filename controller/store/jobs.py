"""Prune jobs: what is asked for, what is under way and how each ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select

from controller.core.nouns.job import JobState, PruneJob
from controller.store.rows import Rows, to_row
from controller.store.tables import jobs


class JobRows(Rows):
    def put_job(self, job: PruneJob) -> None:
        self._put(jobs, to_row(job))

    def put_jobs(self, changed: Iterable[PruneJob]) -> None:
        self._put_all(jobs, [to_row(each) for each in changed])

    def drop_job(self, job: str) -> None:
        self._connection.execute(delete(jobs).where(jobs.c.id == job))

    def get_job(self, job: str) -> PruneJob | None:
        return self._one(PruneJob, select(jobs).where(jobs.c.id == job))

    def jobs_among(self, ids: Sequence[str]) -> dict[str, PruneJob]:
        """Those of these ids that there are."""
        return {each.id: each for each in self._all(PruneJob, select(jobs).where(jobs.c.id.in_(ids)))}

    def jobs(self, *states: JobState) -> list[PruneJob]:
        """Those in one of `states`, or all; oldest first, the order in which they are run."""
        query = select(jobs).order_by(jobs.c.created_unix_s, jobs.c.id)
        return self._all(PruneJob, query.where(jobs.c.state.in_(states)) if states else query)
