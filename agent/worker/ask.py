"""One trial, by a worker of its own that ends with it: for whoever wants the figures and serves nothing."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading

import msgspec

from agent.wire.work import DoingLine, TrialLine, WorkerSpec, read_line, to_line

_TIMEOUT_S = 300.0


class TrialError(RuntimeError):
    """A worker that died, or could not run the artifact."""


def tried(spec: WorkerSpec) -> TrialLine:
    """The trial's figures, all of them there; `spec` has no memory caps. Raises `TrialError`."""
    answer, doing, code, errors = _ask(spec)
    try:
        line = read_line(answer)
    except msgspec.MsgspecError:
        raise TrialError(f"the measuring worker gave no result, code {code}{doing}: {errors}") from None
    if not isinstance(line, TrialLine) or line.latency_cpu_p95_ms is None or line.trial.ram_base_bytes is None:
        detail = line.trial.detail if isinstance(line, TrialLine) else "no trial"
        raise TrialError(f"the artifact cannot be measured: {detail}")
    return line


def _ask(spec: WorkerSpec) -> tuple[bytes, str, int, str]:
    """One worker's answer, what it did last before that, how it ended, and the end of what it complained about."""
    command = [sys.executable, "-m", "agent.worker"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        too_long = threading.Timer(_TIMEOUT_S, worker.kill)
        too_long.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once, and the missing answer will say so
                worker.stdin.write(to_line(spec))
                worker.stdin.flush()
            answer, doing = worker.stdout.readline(), ""
            while answer and isinstance(line := read_line(answer), DoingLine):
                answer, doing = worker.stdout.readline(), f" while {line.what}"
            with contextlib.suppress(BrokenPipeError):
                worker.stdin.close()  # the worker ends with the pipe
            code = worker.wait()
        finally:
            too_long.cancel()
        errors.seek(0)
        return answer, doing, code, errors.read().decode(errors="replace").strip()[-300:]
