"""What an artifact costs: its exact bytes, in fresh processes of the agent's own worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from agent.wire.profile import RUNTIMES
from agent.wire.work import TrialLine, WorkerSpec
from agent.worker.ask import tried
from controller.pruning.artifact.pace import Pace
from controller.pruning.artifact.turns import by_turns
from controller.pruning.cost.predict import Costs

THOROUGH = (100, 5)
"""Samples and repeats for what ships."""

QUICK = (100, 2)
"""Samples and repeats for what guides a search or a prediction and does not ship."""

_WARMUP = 20
_FOR_RAM = 40  # runs of a trial that is not asked for times: memory is at its highest long before


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


def measure(
    path: Path,
    sha256: str,
    golden_seed: int,
    samples: int,
    repeats: int,
    pace: Pace | None = None,
    runtime: str = RUNTIMES[0],
) -> Measured:
    """Try the artifact at `path` in `repeats` fresh workers, and time it in as many processes. Raises `TrialError`.

    The latency is the middle of what the processes tell by turns with the marks of `pace`; its p95 is the dense
    model's in proportion. A tail here is this host's neighbours', and longest, in proportion, beside the smallest
    artifact; a device has its own, which its trial measures. Where there is no `pace` both are the middle ones of the
    workers' own: the least would be of a moment that no service sees again. RAM is the highest seen.
    """
    tries = samples if pace is None else min(samples, _FOR_RAM)
    spec = WorkerSpec(
        path=str(path), sha256=sha256, runtime=runtime, golden_seed=golden_seed, warmup=_WARMUP, samples=tries
    )
    runs = [tried(spec) for _ in range(repeats)]
    p50_s, p95_s = _own(runs) if pace is None else _beside(pace, path, runtime, golden_seed, samples, repeats)
    # Each run's own difference: the base moves by more from process to process than a model's share of it.
    grown = [(run.trial.ram_peak_bytes or 0) - (run.trial.ram_base_bytes or 0) for run in runs]
    return Measured(
        ram_base_bytes=int(median(run.trial.ram_base_bytes or 0 for run in runs)),
        ram_bytes=max(grown),
        storage_bytes=path.stat().st_size,
        latency_p50_s=p50_s,
        latency_p95_s=p95_s,
        golden_outputs=tuple(tuple(row) for row in runs[0].golden_outputs),
    )


def _own(runs: Sequence[TrialLine]) -> tuple[float, float]:
    p50s, p95s = [run.latency_cpu_p50_ms or 0.0 for run in runs], [run.latency_cpu_p95_ms or 0.0 for run in runs]
    return median(p50s) / 1e3, median(p95s) / 1e3


def _beside(pace: Pace, path: Path, runtime: str, seed: int, samples: int, repeats: int) -> tuple[float, float]:
    paths = [path, *(mark.path for mark in pace.marks)]
    p50_s = median(pace.told(by_turns(paths, runtime, seed, samples)) for _ in range(repeats))
    return p50_s, p50_s * pace.tail
