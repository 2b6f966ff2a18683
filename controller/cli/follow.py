"""Following a job to its end."""

from __future__ import annotations

import time

from controller.cli.output import note
from controller.client import FAILED, Client, ClientError, Row

_POLL_S = 0.5


def follow(client: Client, job: Row, hint: str) -> Row:
    """The job as it ended, DONE or INFEASIBLE; each step is told on stderr. The job does not need whoever follows it.

    Raises `ClientError` with the reason where it failed, now or when it was asked for before, and with `hint`.
    """
    told = ""
    while job["state"] in ("queued", "running", "stopping"):
        if progress(job) != told:
            told = progress(job)
            note(told)
        time.sleep(_POLL_S)
        job = client.job(job["id"])
    if job["state"] == "failed":
        raise ClientError(f"{job['kind']} of {job['model']} failed: {job['detail']}; {hint}", FAILED)
    return job


def progress(job: Row) -> str:
    """A queued job may still have the words of an earlier attempt."""
    words = job["detail"] if job["state"] in ("running", "stopping") else ""
    return " ".join(part for part in (f"job {job['id']}: {job['state']}", words) if part)
