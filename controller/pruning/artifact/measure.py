"""What an artifact costs: its exact bytes, in fresh processes of the agent's own worker."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from agent.wire.work import TrialLine, WorkerSpec, read_line, to_line
from controller.pruning.cost.predict import Costs

QUICK = (100, 2)
"""Samples and repeats for what guides a search or a prediction and does not ship."""

_TIMEOUT_S = 300.0
_WARMUP = 20


class MeasureError(RuntimeError):
    """A worker that died or could not run the artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Latencies are CPU time of one inference on one thread: what an idle core takes, whatever else this host does."""

    ram_base_bytes: int
    ram_bytes: int
    storage_bytes: int
    latency_p50_s: float
    latency_p95_s: float
    golden_outputs: tuple[tuple[float, ...], ...]

    @property
    def costs(self) -> Costs:
        return Costs(ram_bytes=self.ram_bytes, storage_bytes=self.storage_bytes, latency_s=self.latency_p95_s)


@dataclass(frozen=True, slots=True)
class Pace:
    """The artifact that times are told against, and the median time that it had when they were first taken.

    A host is a quarter slower in one minute than in another. Measured beside this one, an artifact keeps its time.
    """

    path: Path
    latency_p50_s: float


def measure(
    path: Path, sha256: str, golden_seed: int, samples: int, repeats: int, pace: Pace | None = None
) -> Measured:
    """Run the artifact at `path` in `repeats` fresh workers, each beside one of `pace`. Raises `MeasureError`.

    Latencies are the least of the workers': what else a host does (caches, shared cores) can only add to them. RAM is
    the highest seen.
    """
    spec = WorkerSpec(path=str(path), sha256=sha256, golden_seed=golden_seed, warmup=_WARMUP, samples=samples)
    beside = None if pace is None else msgspec.structs.replace(spec, path=str(pace.path))
    runs, paces = list[TrialLine](), list[TrialLine]()
    for _ in range(repeats):
        paces += [] if beside is None else [_run_worker(beside)]
        runs.append(_run_worker(spec))
    slower = 1.0 if pace is None else _p50_s(paces) / pace.latency_p50_s
    # Each run's own difference: the base moves by more from process to process than a model's share of it.
    grown = [(run.trial.ram_peak_bytes or 0) - (run.trial.ram_base_bytes or 0) for run in runs]
    return Measured(
        ram_base_bytes=int(median(run.trial.ram_base_bytes or 0 for run in runs)),
        ram_bytes=max(grown),
        storage_bytes=path.stat().st_size,
        latency_p50_s=_p50_s(runs) / slower,
        latency_p95_s=min(run.latency_cpu_p95_ms or 0.0 for run in runs) / 1e3 / slower,
        golden_outputs=tuple(tuple(row) for row in runs[0].golden_outputs),
    )


def _p50_s(runs: Sequence[TrialLine]) -> float:
    return min(run.latency_cpu_p50_ms or 0.0 for run in runs) / 1e3


def _run_worker(spec: WorkerSpec) -> TrialLine:
    answer, code, errors = _ask_worker(spec)
    try:
        line = read_line(answer)
    except msgspec.MsgspecError:
        raise MeasureError(f"the measuring worker gave no result, code {code}: {errors}") from None
    if not isinstance(line, TrialLine) or line.latency_cpu_p95_ms is None or line.trial.ram_base_bytes is None:
        detail = line.trial.detail if isinstance(line, TrialLine) else "no trial"
        raise MeasureError(f"the artifact cannot be measured: {detail}")
    return line


def _ask_worker(spec: WorkerSpec) -> tuple[bytes, int, str]:
    """One worker's first line, how it ended, and the end of what it complained about."""
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
            answer = worker.stdout.readline()
            with contextlib.suppress(BrokenPipeError):
                worker.stdin.close()  # the worker ends with the pipe
            code = worker.wait()
        finally:
            too_long.cancel()
        errors.seek(0)
        return answer, code, errors.read().decode(errors="replace").strip()[-300:]
