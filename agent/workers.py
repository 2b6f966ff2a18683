"""Inference workers as child processes: their pipes, their threads, their end. Threads only enqueue.

A worker ends when its stdin does, so none outlives the supervisor, however that dies.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from agent.cgroup import Cgroups
from agent.doors import listen_at
from agent.step.effects import DRAIN_S
from agent.wire.manifest import Golden
from agent.wire.messages import Assignment
from agent.wire.work import DoingLine, Drain, Go, LoadingLine, TrialLine, WindowLine, WorkerSpec, read_line, to_line

GRACE_S = 3.0
TRIAL_S = 15.0
SAMPLES_MIN, SAMPLES_MAX = 40, 200
STDERR_LINES = 5
NEAR = 0.9
"""Share of its memory cap from which on a worker that a signal ends while it loads counts as ended by the cap."""

_log = logging.getLogger("agent")


@dataclass(frozen=True, slots=True)
class Said:
    """A worker wrote a line."""

    worker: int
    line: TrialLine | WindowLine


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker's process is gone; `detail` is its exit and the last of its stderr.

    `out_of_memory`: the kernel ended it at its cap, or refused it memory and its runtime took that badly.
    """

    worker: int
    detail: str
    out_of_memory: bool = False


WorkerNews = Said | Ended


def worker_spec(
    assignment: Assignment,
    golden: Golden,
    path: str,
    *,
    judged: bool,
    window_s: float,
    exercise: str,
    gflops: float | None,
) -> WorkerSpec:
    """What a worker is told. Not `judged`: the start of an accepted variant, short and not held to the latency cap."""
    return WorkerSpec(
        path=path,
        sha256=assignment.sha256,
        runtime=assignment.runtime,
        ram_total_bytes=assignment.ram_total_bytes,
        ram_model_bytes=assignment.ram_model_bytes,
        latency_p95_ms=assignment.latency_p95_ms if judged else None,
        golden_seed=golden.seed,
        golden_outputs=golden.outputs,
        golden_tolerance=golden.tolerance,
        warmup=20 if judged else 3,
        samples=_samples(assignment.latency_p95_ms) if judged else 5,
        emulated_gflops=gflops,
        rate_hz=assignment.rate_hz,
        model=assignment.model,
        exercise=exercise,
        window_s=window_s,
    )


def _samples(latency_p95_ms: float | None) -> int:
    """As many as fit into `TRIAL_S` at the cap, within what makes a p95 mean something."""
    if latency_p95_ms is None:
        return SAMPLES_MAX
    return max(SAMPLES_MIN, min(SAMPLES_MAX, int(TRIAL_S * 1e3 / latency_p95_ms)))


class Workers:
    """The worker processes by number. All methods are called from one thread; `tell` is called from many.

    `doors` are the sockets that every worker inherits; `cgroups` caps their memory where there is any.
    """

    def __init__(
        self, tell: Callable[[WorkerNews], None], doors: Sequence[socket.socket] = (), cgroups: Cgroups | None = None
    ) -> None:
        self._tell = tell
        self._cgroups = cgroups
        self._doors = doors
        self._readers: dict[int, threading.Thread] = {}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._ending: dict[int, tuple[subprocess.Popen[bytes], float]] = {}

    def start(self, worker: int, spec: WorkerSpec) -> None:
        """Raises `OSError` where the process cannot be started."""
        command = [sys.executable, "-m", "agent.worker"]
        pipe, doors = subprocess.PIPE, [each.fileno() for each in self._doors]
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, pass_fds=doors)
        self._running[worker] = process
        reader = threading.Thread(target=self._read, args=(worker, process), name=f"worker-{worker}", daemon=True)
        reader.start()
        self._readers[worker] = reader
        self._cap(worker, process, spec.ram_total_bytes)  # it holds nothing yet, as it waits for its spec
        self._write(process, msgspec.structs.replace(spec, listen=doors))

    def _cap(self, worker: int, process: subprocess.Popen[bytes], most_bytes: int | None) -> None:
        if self._cgroups is None or most_bytes is None:
            return
        try:
            self._cgroups.cap(worker, process.pid, most_bytes)
        except OSError as error:  # it still limits itself, and its high-water mark is judged
            _log.warning("event=worker_not_capped worker=%s reason=%r", worker, str(error))

    def go(self, worker: int) -> None:
        """Let a worker serve. From the first one on the doors are open: who comes while none accepts waits."""
        listen_at(self._doors)
        process = self._running.get(worker)
        if process is not None:
            self._write(process, Go())

    def stop(self, worker: int, now_s: float, within_s: float = DRAIN_S, *, at_once: bool = False) -> None:
        """End a worker, which first answers what it was asked (not so `at_once`). One that stays on is killed."""
        process = self._running.pop(worker, None)
        if process is None:
            return
        if at_once:
            process.kill()
        else:
            self._write(process, Drain(within_s=within_s))
        self._ending[worker] = (process, now_s + within_s + GRACE_S)

    def forget(self, worker: int) -> None:
        """After `Ended`: nothing of the process is left but its pipes."""
        self._readers.pop(worker, None)
        running, (ending, _) = self._running.pop(worker, None), self._ending.pop(worker, (None, 0.0))
        process = running or ending
        for pipe in (process.stdin, process.stdout, process.stderr) if process is not None else ():
            if pipe is not None:
                pipe.close()

    def tick(self, now_s: float) -> None:
        """Kill those whose time is over."""
        for process, until_s in self._ending.values():
            if now_s >= until_s:
                process.kill()

    def close(self, within_s: float = DRAIN_S) -> None:
        """End them all, `within_s` from now at the latest; on return they are gone, and what they said is told."""
        now_s = time.monotonic()
        for worker in list(self._running):
            self.stop(worker, now_s, within_s)
        for process, until_s in self._ending.values():
            patience_s = min(until_s, now_s + within_s + GRACE_S) - time.monotonic()
            try:
                process.wait(max(0.0, patience_s))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers.values():
            reader.join(GRACE_S)

    def _write(self, process: subprocess.Popen[bytes], message: msgspec.Struct) -> None:
        assert process.stdin is not None  # a pipe, see `start`
        try:
            process.stdin.write(to_line(message))
        except BrokenPipeError:
            return  # it died just now; its thread says so

    def _read(self, worker: int, process: subprocess.Popen[bytes]) -> None:
        """The worker's own thread here: hand on its lines, then its end."""
        tail: deque[str] = deque(maxlen=STDERR_LINES)
        errors = threading.Thread(target=_drain, args=(process, tail), daemon=True)
        errors.start()
        trouble, doing, cap_bytes = "", "", math.inf
        assert process.stdout is not None  # a pipe, see `start`
        for line in process.stdout:
            try:
                said = read_line(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                trouble = f"not a line of the protocol: {error}; "
                process.kill()
                break
            if isinstance(said, DoingLine):
                doing = f" while {said.what}"
                continue
            cap_bytes = said.ram_bytes if isinstance(said, LoadingLine) else math.inf
            if not isinstance(said, LoadingLine):
                doing = ""
                self._tell(Said(worker, said))
        code, held_bytes = _end(process)
        errors.join(1.0)
        detail = f"{trouble}{how_it_ended(code)}{doing}{': ' if tail else ''}{' | '.join(tail)}"
        capped = self._cgroups is not None and self._cgroups.ended(worker)
        if capped or (code < 0 and held_bytes >= NEAR * cap_bytes):
            self._tell(Ended(worker, f"ended at its memory cap, {detail}", out_of_memory=True))
        else:
            self._tell(Ended(worker, detail))


def _drain(process: subprocess.Popen[bytes], tail: deque[str]) -> None:
    assert process.stderr is not None  # a pipe, see `start`
    for line in process.stderr:
        tail.append(line.decode(errors="replace").strip()[:200])


def _end(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Wait for it: its exit code, and the most bytes that it held, though never less than the small supervisor does."""
    try:
        _, status, used = os.wait4(process.pid, 0)
    except ChildProcessError:  # who killed it has waited for it too
        return process.wait(), 0
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_maxrss * 1024


def how_it_ended(code: int) -> str:
    """In words, from a process's return code."""
    return f"signal {-code}" if code < 0 else f"exit {code}"
