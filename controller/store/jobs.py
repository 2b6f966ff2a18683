"""Jobs: what is asked for, what is under way and how each ended.

A row has a column for whatever any kind of job has; what is not of its kind says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, delete, select

from controller.core.nouns.caps import Caps
from controller.core.nouns.job import Job, JobState
from controller.store.rows import Rows, from_row, to_row
from controller.store.tables import jobs

_OF_NO_KIND = {
    "caps": to_row(Caps()), "rungs": None, "share": None, "audit": False, "budget_s": None, "prediction": None,
    "binding": None, "least": None, "report": None,
}  # fmt: skip


class JobRows(Rows):
    def put_job(self, job: Job) -> None:
        self._put(jobs, job_row(job))

    def put_jobs(self, changed: Iterable[Job]) -> None:
        self._put_all(jobs, [job_row(each) for each in changed])

    def drop_job(self, job: str) -> None:
        self._connection.execute(delete(jobs).where(jobs.c.id == job))

    def get_job(self, job: str) -> Job | None:
        return next(iter(self._jobs(select(jobs).where(jobs.c.id == job))), None)

    def jobs_among(self, ids: Sequence[str]) -> dict[str, Job]:
        """Those of these ids that there are."""
        return {each.id: each for each in self._jobs(select(jobs).where(jobs.c.id.in_(ids)))}

    def jobs(self, *states: JobState) -> list[Job]:
        """Those in one of `states`, or all; oldest first, the order in which they are run."""
        query = select(jobs).order_by(jobs.c.created_unix_s, jobs.c.id)
        return self._jobs(query.where(jobs.c.state.in_(states)) if states else query)

    def _jobs(self, query: Select[Any]) -> list[Job]:
        return [job_of(row) for row in self._connection.execute(query).mappings()]


def job_row(job: Job) -> dict[str, Any]:
    row = to_row(job)
    work = row.pop("work")
    return {**_OF_NO_KIND, **work, **row}


def job_of(row: RowMapping | dict[str, Any]) -> Job:
    """Its kind takes of the row what is its own."""
    named = {str(name): value for name, value in row.items()}
    return from_row(Job, {**named, "work": named})
