"""What an artifact costs: its exact bytes, in fresh processes of the agent's own worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from agent.wire.profile import RUNTIMES
from agent.wire.work import TrialLine, WorkerSpec
from agent.worker.ask import tried
from controller.pruning.cost.predict import Costs

QUICK = (100, 2)
"""Samples and repeats for what guides a search or a prediction and does not ship."""

_WARMUP = 20


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
    path: Path,
    sha256: str,
    golden_seed: int,
    samples: int,
    repeats: int,
    pace: Pace | None = None,
    runtime: str = RUNTIMES[0],
) -> Measured:
    """Run the artifact at `path` in `repeats` fresh workers, each beside one of `pace`. Raises `TrialError`.

    Latencies are the least of the workers': what else a host does (caches, shared cores) can only add to them. RAM is
    the highest seen.
    """
    spec = WorkerSpec(
        path=str(path), sha256=sha256, runtime=runtime, golden_seed=golden_seed, warmup=_WARMUP, samples=samples
    )
    beside = None if pace is None else msgspec.structs.replace(spec, path=str(pace.path))
    runs, paces = list[TrialLine](), list[TrialLine]()
    for _ in range(repeats):
        paces += [] if beside is None else [tried(beside)]
        runs.append(tried(spec))
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
