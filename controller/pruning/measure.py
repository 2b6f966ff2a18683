"""What an artifact costs: its exact bytes, in fresh processes of the agent's own worker."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from agent.wire.work import TrialLine, WorkerSpec, read_line, to_line
from controller.pruning.predict import Costs

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


def measure(path: Path, sha256: str, golden_seed: int, samples: int, repeats: int) -> Measured:
    """Run the artifact at `path` in `repeats` fresh workers. Raises `MeasureError`.

    Latencies are the medians of the workers', so that a noisy neighbour does not decide; RAM is the highest seen.
    """
    spec = WorkerSpec(path=str(path), sha256=sha256, golden_seed=golden_seed, warmup=_WARMUP, samples=samples)
    runs = [_run_worker(spec) for _ in range(repeats)]
    # Each run's own difference: the base moves by more from process to process than a model's share of it.
    grown = [(run.trial.ram_peak_bytes or 0) - (run.trial.ram_base_bytes or 0) for run in runs]
    return Measured(
        ram_base_bytes=int(median(run.trial.ram_base_bytes or 0 for run in runs)),
        ram_bytes=max(grown),
        storage_bytes=path.stat().st_size,
        latency_p50_s=median(run.latency_cpu_p50_ms or 0.0 for run in runs) / 1e3,
        latency_p95_s=median(run.latency_cpu_p95_ms or 0.0 for run in runs) / 1e3,
        golden_outputs=tuple(tuple(row) for row in runs[0].golden_outputs),
    )


def _run_worker(spec: WorkerSpec) -> TrialLine:
    command = [sys.executable, "-m", "agent.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        try:
            # communicate() ends stdin after the spec, and with it the worker after its verdict.
            out, err = worker.communicate(to_line(spec), timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            raise MeasureError(f"the measuring worker gave no result within {_TIMEOUT_S:.0f} s") from None
    try:
        line = read_line(out.splitlines()[0])
    except (IndexError, msgspec.MsgspecError):
        tail = err.decode(errors="replace").strip()[-300:]
        raise MeasureError(f"the measuring worker ended with code {worker.returncode}: {tail}") from None
    if not isinstance(line, TrialLine) or line.latency_cpu_p95_ms is None or line.trial.ram_base_bytes is None:
        detail = line.trial.detail if isinstance(line, TrialLine) else "no trial"
        raise MeasureError(f"the artifact cannot be measured: {detail}")
    return line
