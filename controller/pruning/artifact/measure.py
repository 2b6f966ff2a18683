"""What an artifact costs: its exact bytes, in fresh processes of the agent's own worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev
from typing import TypeVar

from agent.wire.profile import RUNTIMES
from agent.wire.work import TrialLine, WorkerSpec
from agent.worker.ask import tried
from controller.core.costs import Costs
from controller.pruning.artifact.pace import Pace
from controller.pruning.artifact.turns import by_turns

Counted = Callable[[int, int], None]
"""Hears of each repeat before it begins: its number, and how many there are at most."""

THOROUGH = (60, 5)
"""Samples and repeats, at most, for what ships."""

QUICK = (60, 2)
"""Samples and repeats for what guides a search or a prediction and does not ship."""

_T = TypeVar("_T")
_WARMUP = 20
_FOR_RAM = 10  # runs of a trial that is not asked for times: memory is at its highest long before
_CLOSE = 0.02  # half of the median's 95 % interval, as a share of it: more repeats would tell no more
_LEAST_SPREAD = 0.015  # of one artifact's medians from process to process, where few of them happen to agree
_Z95, _NOTHING_S = 1.96, 1e-12


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
    counted: Counted = lambda _number, _most: None,
) -> Measured:
    """Try the artifact at `path` in `repeats` fresh workers, and time it in as many processes, or in fewer where these
    agree. Raises `TrialError`.

    The latency is the middle of what the processes tell by turns with the marks of `pace`; its p95 is the dense
    model's in proportion. A tail here is this host's neighbours', and longest, in proportion, beside the smallest
    artifact; a device has its own, which its trial measures. Where there is no `pace` both are the middle ones of the
    workers' own: the least would be of a moment that no service sees again. RAM is the highest seen.
    """

    def tries(count: int) -> TrialLine:
        return tried(
            WorkerSpec(
                path=str(path), sha256=sha256, runtime=runtime, golden_seed=golden_seed, warmup=_WARMUP, samples=count
            )
        )

    if pace is None:
        runs = _until_close(lambda: tries(samples), lambda run: run.latency_cpu_p50_ms or 0.0, repeats, counted)
        p50_s, p95_s = _own(runs)
    else:
        told = _Told(pace, path, runtime, golden_seed, samples)
        runs, p50_s = _tried_beside(lambda: tries(min(samples, _FOR_RAM)), told, repeats, counted)
        p95_s = p50_s * pace.tail
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


@dataclass(frozen=True, slots=True)
class _Told:
    """One process's median of the artifact at `path`, told by turns with the marks of `pace`."""

    pace: Pace
    path: Path
    runtime: str
    seed: int
    samples: int

    def __call__(self) -> float:
        paths = [self.path, *(mark.path for mark in self.pace.marks)]
        return self.pace.told(by_turns(paths, self.runtime, self.seed, self.samples))


def _tried_beside(
    tries: Callable[[], TrialLine], told: Callable[[], float], repeats: int, counted: Counted
) -> tuple[list[TrialLine], float]:
    """`repeats` trials, of which all but the first run while the times are taken, and the middle of what these tell.

    What memory a worker takes does not depend on what runs on another core.
    """
    runs = [tries()]
    with ThreadPoolExecutor(1) as beside:
        others = [beside.submit(tries) for _ in range(repeats - 1)]
        try:
            p50_s = median(_until_close(told, float, repeats, counted))
            return runs + [each.result() for each in others], p50_s
        finally:
            for each in others:
                each.cancel()


def _until_close(run: Callable[[], _T], p50: Callable[[_T], float], most: int, counted: Counted) -> list[_T]:
    """Runs until what their medians tell is known closely enough, at most so many."""
    runs = list[_T]()
    while len(runs) < most and not close([p50(each) for each in runs]):
        counted(len(runs) + 1, most)
        runs.append(run())
    return runs


def close(p50s: Sequence[float]) -> bool:
    """Whether the middle of these is within `_CLOSE` of what more of them would give, at 95 %.

    A few may agree by chance, so they are taken to differ by as much as processes usually do, or by more.
    """
    if len(p50s) < 2:
        return False
    spread = max(stdev(p50s) / max(fmean(p50s), _NOTHING_S), _LEAST_SPREAD)
    return _Z95 * spread / math.sqrt(len(p50s)) <= _CLOSE
