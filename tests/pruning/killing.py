"""Jobs that are killed in the middle."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from controller.pruning.job import JobRequest, JobResult, JobRunner

_NOT_COPIED = ("refine-", "looks-", "recovering-")


def copied(shelf: Path, to: Path) -> None:
    """What earlier jobs left, without what a refine or a recovery was at."""
    to.mkdir()
    for each in shelf.iterdir():
        if each.is_file() and not each.name.startswith(_NOT_COPIED):
            (to / each.name).write_bytes(each.read_bytes())


def stopped(request: JobRequest, after_words: int | None) -> JobResult:
    """The job's result, cancelled once it said so many words."""
    runner, results, said = JobRunner(), queue.Queue[JobResult](), list[str]()
    lock = threading.Lock()

    def heard(_job: str, _share: float, text: str) -> None:
        with lock:
            said.append(text)
            if after_words is not None and len(said) == after_words:
                runner.cancel("job")

    runner.start("job", request, heard, lambda _, result: results.put(result))
    return results.get(timeout=150)
