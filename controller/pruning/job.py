"""Pruning jobs as plain data, and the runner that gives each one a process of its own. Imports no torch.

One job a process, because the grouping library leaks state between prunes and the operator's own model code runs in
it. The process ends with its parent: it watches the pipe that the request came through.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import msgspec

from controller.core.nouns.caps import Caps
from controller.core.nouns.constraint import Constraint
from controller.core.nouns.job import JobState
from controller.core.nouns.model import Recovery
from controller.core.nouns.sparsity import SparseSide, SparsityReport
from controller.core.nouns.variant import Variant
from controller.core.nouns.work import Work

__all__ = [
    "Announce",
    "JobRequest",
    "JobResult",
    "JobRunner",
    "Progress",
    "SparseSide",
    "SparsityReport",
]

Progress = Callable[[float, str], None]
Announce = Callable[[Variant], None]
_ERROR_TAIL_CHARS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPolicy:
    """What a model's owner asks of its variants, see `controller.core.nouns.model`. No `recovery`: the spec file's."""

    accuracy_floor: float | None = None
    accuracy_margin: float | None = None
    recovery: Recovery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What is to be made of the model whose spec this is.

    The owner's `policy` is the controller's, whatever the spec file says by now; None takes the file's.
    `artifact_dir` takes the artifact, called as `controller.core.artifacts` says. `start_from` names variants of the
    model in it, from which a prune or a refine may go on rather than from the dense model. `seed` is the spec's where
    there is none. `threads` is for torch; measurements always use one.
    """

    work: Work
    spec_path: str
    artifact_dir: str
    seed: int | None = None
    start_from: tuple[str, ...] = ()
    threads: int = 1
    policy: JobPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """DONE with the variant; INFEASIBLE with the cap that binds and the closest variant known; FAILED with why.

    Of a DONE job the artifact is in place. A ladder has its rungs in `variants`, told of before or not, and a prune
    what else it made; all with their artifact in place however the job ended. `binding`, `least`: as a `Prune` has
    them. `retry`: a failure that may pass by itself. `model_digest` names weights, spec and factory source that it was
    made from.
    """

    state: JobState
    variant: Variant | None = None
    variants: tuple[Variant, ...] = ()
    report: SparsityReport | None = None
    retry: bool = False
    binding: Constraint | None = None
    least: Caps | None = None
    detail: str = ""
    model_digest: str = ""


class ProgressLine(msgspec.Struct, frozen=True, tag="progress"):
    share: float
    text: str


class VariantLine(msgspec.Struct, frozen=True, tag="variant"):
    """A variant that is on the shelf before the job's end."""

    variant: Variant


class ResultLine(msgspec.Struct, frozen=True, tag="result"):
    result: JobResult


_LINES = msgspec.json.Decoder(ProgressLine | VariantLine | ResultLine)


class JobRunner:
    """Starts jobs and reports on them from a thread of its own for each: callbacks should only enqueue.

    `on_done` is called exactly once a job, also where its process was killed or cancelled (FAILED, with the reason).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes = dict[str, subprocess.Popen[bytes]]()
        self._cancelled = set[str]()

    @property
    def running(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._processes)

    def pid(self, job_id: str) -> int | None:
        with self._lock:
            process = self._processes.get(job_id)
            return None if process is None else process.pid

    def start(
        self,
        job_id: str,
        request: JobRequest,
        on_progress: Callable[[str, float, str], None],
        on_done: Callable[[str, JobResult], None],
        on_variant: Callable[[str, Variant], None] = lambda _job_id, _variant: None,
    ) -> None:
        """Raises `ValueError` where a job of this id is running."""
        try:
            process, errors = self._begin(job_id)
        except OSError as error:  # no memory, process or descriptor left: the controller has more to do than this
            on_done(job_id, JobResult(state=JobState.FAILED, detail=f"no process for the job: {error}", retry=True))
            return
        follow = threading.Thread(
            target=self._follow,
            args=(job_id, process, request, errors, _Callbacks(job_id, on_progress, on_variant), on_done),
            name=f"job-{job_id}",
        )
        follow.daemon = True
        follow.start()

    def _begin(self, job_id: str) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        with self._lock:
            if job_id in self._processes:
                raise ValueError(f"job {job_id} is already running")
            process, errors = _spawn()
            self._processes[job_id] = process
        return process, errors

    def cancel(self, job_id: str) -> bool:
        """Kill the job's process and what it started; False where none is running. `on_done` follows."""
        with self._lock:
            process = self._processes.get(job_id)
            if process is None:
                return False
            self._cancelled.add(job_id)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return True

    def close(self) -> None:
        """Cancel whatever is running."""
        for job_id in self.running:
            self.cancel(job_id)

    def _follow(
        self,
        job_id: str,
        process: subprocess.Popen[bytes],
        request: JobRequest,
        errors: IO[bytes],
        callbacks: _Callbacks,
        on_done: Callable[[str, JobResult], None],
    ) -> None:
        with errors:
            result = _converse(process, request, callbacks)
            code = process.wait()
            with self._lock:
                del self._processes[job_id]
                cancelled = job_id in self._cancelled
                self._cancelled.discard(job_id)
            if result is None:
                detail = "cancelled" if cancelled else _death(code, errors)
                result = JobResult(state=JobState.FAILED, detail=detail, retry=True)
        on_done(job_id, result)


def _spawn() -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """The job's process, and what it says on stderr, which the thread that follows it closes."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    command = [sys.executable, "-m", "controller.pruning.jobs.child"]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # so that a measurement that the job is in the middle of ends with it
        )
        return process, errors
    except OSError:
        errors.close()
        raise


@dataclass(frozen=True, slots=True)
class _Callbacks:
    """Who hears of a job's progress and of its variants."""

    job_id: str
    on_progress: Callable[[str, float, str], None]
    on_variant: Callable[[str, Variant], None]

    def relay(self, message: ProgressLine | VariantLine) -> None:
        match message:
            case ProgressLine(share, text):
                self.on_progress(self.job_id, share, text)
            case VariantLine(variant):
                self.on_variant(self.job_id, variant)


def _converse(process: subprocess.Popen[bytes], request: JobRequest, callbacks: _Callbacks) -> JobResult | None:
    """Hand over the request and relay what is said until the result; None where the process ended without one."""
    assert process.stdin is not None
    assert process.stdout is not None
    # Closing flushes what is left, so a process that died before it read the request is met there too.
    with contextlib.suppress(BrokenPipeError), process.stdout as lines, process.stdin as requests:
        requests.write(msgspec.json.encode(request) + b"\n")
        requests.flush()
        for line in lines:
            try:
                message = _LINES.decode(line)
            except msgspec.MsgspecError:  # half a line: the process died while it wrote
                return None
            if isinstance(message, ResultLine):
                return message.result
            callbacks.relay(message)
    return None


def _death(code: int, errors: IO[bytes]) -> str:
    if code < 0:
        killed = " (the system may have run out of memory)" if code == -9 else ""
        return f"the job's process was ended by signal {-code}{killed}"
    errors.seek(0)
    tail = errors.read().decode(errors="replace").strip()[-_ERROR_TAIL_CHARS:]
    return f"the job's process ended with code {code} and no result: {tail}"
