"""What an artifact costs: its exact bytes, in fresh processes of the agent's own worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.wire.profile import Runtime
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

_WARMUP = 20
_BESIDE = 2  # trials of an artifact that is measured beside another
_FOR_RAM = 10  # runs of a trial: memory is at its highest long before
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
    runtime: Runtime = Runtime.ONNXRUNTIME,
    counted: Counted = lambda _number, _most: None,
) -> Measured:
    """The artifact at `path`, as `measure_together` measures several."""
    (measured,) = measure_together([(path, sha256)], golden_seed, samples, repeats, pace, runtime, counted)
    return measured


def measure_together(
    artifacts: Sequence[tuple[Path, str]],
    golden_seed: int,
    samples: int,
    repeats: int,
    pace: Pace | None = None,
    runtime: Runtime = Runtime.ONNXRUNTIME,
    counted: Counted = lambda _number, _most: None,
) -> list[Measured]:
    """Try the first of the `artifacts`, a path and its sha256, in `repeats` fresh workers, and the others, which are
    there to be compared with, in two; time all of them by turns in `repeats` processes, or in fewer where these agree.
    Raises `TrialError`.

    The latency is the middle of what the processes tell beside the marks of `pace`; its p95 is the dense model's in
    proportion. A tail here is this host's neighbours', and longest, in proportion, beside the smallest artifact; a
    device has its own, which its trial measures. Where there is no `pace` both are the middle ones of their own times:
    the least would be of a moment that no service sees again. RAM is the highest seen.
    """

    def tries(artifact: tuple[Path, str]) -> TrialLine:
        path, sha256 = artifact
        count = min(samples, _FOR_RAM)
        return tried(
            WorkerSpec(
                path=str(path), sha256=sha256, runtime=runtime, golden_seed=golden_seed, warmup=_WARMUP, samples=count
            )
        )

    taken = _Taken(tuple(path for path, _ in artifacts), pace, runtime, golden_seed, samples)
    counts = [repeats, *[min(repeats, _BESIDE)] * (len(artifacts) - 1)]
    first = [tries(each) for each in artifacts]
    # What memory a worker takes does not depend on what runs on another core.
    with ThreadPoolExecutor(1) as beside:
        others = [
            [beside.submit(tries, each) for _ in range(count - 1)]
            for each, count in zip(artifacts, counts, strict=True)
        ]
        try:
            times = _until_close(taken, repeats, counted)
            runs = [[one, *(each.result() for each in more)] for one, more in zip(first, others, strict=True)]
        finally:
            beside.shutdown(cancel_futures=True)
    spans = [_middle(one) for one in zip(*times, strict=True)]
    return [_measured(path, *each) for (path, _), each in zip(artifacts, zip(runs, spans, strict=True), strict=True)]


class _Span(NamedTuple):
    """Seconds of an artifact's inferences in one process."""

    p50_s: float
    p95_s: float


def _middle(spans: Sequence[_Span]) -> _Span:
    return _Span(median(each.p50_s for each in spans), median(each.p95_s for each in spans))


def _measured(path: Path, runs: Sequence[TrialLine], span: _Span) -> Measured:
    # Each run's own difference: the base moves by more from process to process than a model's share of it.
    grown = [(run.trial.ram_peak_bytes or 0) - (run.trial.ram_base_bytes or 0) for run in runs]
    return Measured(
        ram_base_bytes=int(median(run.trial.ram_base_bytes or 0 for run in runs)),
        ram_bytes=max(grown),
        storage_bytes=path.stat().st_size,
        latency_p50_s=span.p50_s,
        latency_p95_s=span.p95_s,
        golden_outputs=tuple(tuple(row) for row in runs[0].golden_outputs),
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """One process's times of the artifacts at `paths`, by turns with the marks of `pace` and told against these."""

    paths: tuple[Path, ...]
    pace: Pace | None
    runtime: Runtime
    seed: int
    samples: int

    def __call__(self) -> list[_Span]:
        marks = () if self.pace is None else tuple(mark.path for mark in self.pace.marks)
        times = by_turns([*self.paths, *marks], self.runtime, self.seed, self.samples)
        return [self._span(times[:, at], times[:, len(self.paths) :]) for at in range(len(self.paths))]

    def _span(self, mine: NDArray[np.float64], marks: NDArray[np.float64]) -> _Span:
        if self.pace is None:
            return _Span(float(np.median(mine)), float(np.percentile(mine, 95)))
        p50_s = self.pace.told(np.column_stack((mine, marks)))
        return _Span(p50_s, p50_s * self.pace.tail)


def _until_close(run: Callable[[], list[_Span]], most: int, counted: Counted) -> list[list[_Span]]:
    """Runs until what they tell of each artifact is known closely enough, at most so many."""
    runs = list[list[_Span]]()
    while len(runs) < most and not (
        runs and all(close([each.p50_s for each in one]) for one in zip(*runs, strict=True))
    ):
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
