"""The trial: load the exact artifact under its memory cap, check the golden inputs, measure RAM and latency, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.wire.errors import Failure
from agent.wire.messages import Trial
from agent.wire.work import GOLDEN_SAMPLES, GOLDEN_VALUES, DoingLine, LoadingLine, TrialLine, WorkerSpec
from agent.worker import memory
from agent.worker.backends.contract import ContractError
from agent.worker.emulation import Emulation
from agent.worker.http import CONNECTIONS, STACK_BYTES
from agent.worker.runtime import Session, backend, example, wake
from agent.worker.timing import GAP_S, LEAST_SAMPLES, SAMPLES_S, WARM_UP_S, as_many, timed_run

AGAIN_S = 5.0


def run_trial(spec: WorkerSpec, say: Callable[[DoingLine | LoadingLine], object]) -> tuple[TrialLine, Session | None]:
    """The verdict, and the loaded model where it passed."""
    say(DoingLine(what=f"importing {spec.runtime}"))
    try:
        runtime = backend(spec.runtime)
        runtime.check(Path(spec.path))
    except (ContractError, ImportError, OSError) as error:
        return _failed_to_run(spec, error, memory.rss_bytes()), None
    say(DoingLine(what=f"running the smallest model of {spec.runtime}"))
    wake(runtime)
    say(DoingLine(what="loading the artifact"))
    percentiles([0.0, 1.0], (50, 95, 99))  # numpy loads this part of itself at first use
    times = np.full((spec.samples, 2), np.nan)  # kept one by one they would count as the model's RAM
    emulation = None if spec.emulated_gflops is None else Emulation(spec.emulated_gflops)
    memory.settle()
    base = memory.rss_bytes()
    cap = peak_cap_bytes(spec, base)
    if cap is not None:
        say(LoadingLine(ram_bytes=cap))
        memory.limit_growth(cap - base, CONNECTIONS * STACK_BYTES)
    try:
        session = runtime.open_session(spec.path)
        say(DoingLine(what="running the artifact"))
        outputs = golden_outputs(session, spec.golden_seed)
        times = measure(session, spec, emulation, times)
        if _worth_another(spec, times):
            say(DoingLine(what="running the artifact once more, it was above the latency cap"))
            times = measure_again(session, spec, emulation, times)
    except Exception as error:  # runtimes raise their own types, and MemoryError is one of ours
        return _failed_to_run(spec, error, base), None
    peak = memory.peak_bytes()
    line = _verdict(spec, base, peak, outputs, times)
    return line, session if line.trial.passed else None


def _worth_another(spec: WorkerSpec, times: NDArray[np.float64]) -> bool:
    """Not where the model is so slow that time was too short for all samples: a trial has to end."""
    return len(times) == spec.samples and _too_slow(spec, _p95_s(times) * 1e3)


def _too_slow(spec: WorkerSpec, p95_ms: float) -> bool:
    return spec.latency_p95_ms is not None and p95_ms > spec.latency_p95_ms


def _p95_s(times: NDArray[np.float64]) -> float:
    return float(percentiles(times[:, 0], (95,))[0])


def peak_cap_bytes(spec: WorkerSpec, base_bytes: int) -> int | None:
    """The tighter of the two RAM caps, as a bound on the whole process."""
    caps = [spec.ram_total_bytes, None if spec.ram_model_bytes is None else base_bytes + spec.ram_model_bytes]
    known = [cap for cap in caps if cap is not None]
    return min(known) if known else None


def golden_outputs(session: Session, seed: int) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    outputs = (session.run(example(session, rng))[0].ravel()[:GOLDEN_VALUES] for _ in range(GOLDEN_SAMPLES))
    return [[float(value) for value in output] for output in outputs]


def measure(
    session: Session, spec: WorkerSpec, emulation: Emulation | None, times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fill `times` `[samples, 2]` with the device's latency and the CPU time, in seconds; what of it was filled.

    That is all of it, unless the model is so slow that the trial would not end.
    """
    inputs, taken = example(session, np.random.default_rng(spec.golden_seed)), 0
    for _ in as_many(spec.warmup, 1, WARM_UP_S):
        session.run(inputs)
    for taken in as_many(len(times), LEAST_SAMPLES, SAMPLES_S):
        time.sleep(GAP_S)
        timed = timed_run(session, inputs)[1]
        times[taken - 1] = emulation.latency_s(timed.cpu_s) if emulation else timed.wall_s, timed.cpu_s
    return times[:taken]


def measure_again(
    session: Session, spec: WorkerSpec, emulation: Emulation | None, times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The faster of `times` and of what is measured after `AGAIN_S`, by p95.

    What slows a device down for some seconds, another program or a clock that is still low, would otherwise teach the
    controller a slowness that nothing right enough is fast enough for.
    """
    time.sleep(AGAIN_S)
    again = measure(session, spec, emulation, np.full_like(times, np.nan))
    return min(times, again, key=_p95_s)


def golden_error(expected: list[list[float]], got: list[list[float]]) -> float:
    """The largest |got - expected| / (1 + |expected|); infinite where the shapes differ or a value is not finite."""
    if [len(row) for row in expected] != [len(row) for row in got]:
        return float("inf")
    want, have = np.concatenate([*map(np.asarray, expected)]), np.concatenate([*map(np.asarray, got)])
    worst = float(np.max(np.abs(have - want) / (1 + np.abs(want)), initial=0.0))
    return worst if np.isfinite(worst) else float("inf")


def _verdict(
    spec: WorkerSpec, base: int, peak: int, outputs: list[list[float]], times: NDArray[np.float64]
) -> TrialLine:
    (p50, p95), (cpu_p50, cpu_p95) = (percentiles(each * 1e3, (50, 95)) for each in times.T)
    error = golden_error(spec.golden_outputs, outputs) if spec.golden_outputs else None
    failure, detail = judge(spec, base, peak, p95, error)
    trial = Trial(
        sha256=spec.sha256,
        passed=failure is None,
        failure=failure,
        detail=detail,
        ram_base_bytes=base,
        ram_peak_bytes=peak,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        golden_max_error=error,
        samples=len(times),
        emulated_gflops=spec.emulated_gflops,
    )
    return TrialLine(trial=trial, golden_outputs=outputs, latency_cpu_p50_ms=cpu_p50, latency_cpu_p95_ms=cpu_p95)


def judge(spec: WorkerSpec, base: int, peak: int, p95_ms: float, error: float | None) -> tuple[Failure | None, str]:
    """The first thing that is wrong, with the figures; golden outputs first: a wrong answer is worst."""
    cap = peak_cap_bytes(spec, base)
    if error is not None and error > spec.golden_tolerance:
        return Failure.GOLDEN, f"golden outputs differ by {error:.2g}, allowed {spec.golden_tolerance:.2g}"
    if cap is not None and peak > cap:
        return Failure.MEMORY, f"peak {peak} bytes above the cap of {cap} bytes (runtime base {base})"
    if _too_slow(spec, p95_ms):
        return Failure.LATENCY, f"p95 {p95_ms:.2f} ms above the cap of {spec.latency_p95_ms:.2f} ms"
    return None, ""


def _failed_to_run(spec: WorkerSpec, error: Exception, base: int) -> TrialLine:
    text = str(error) if isinstance(error, ContractError) else f"{type(error).__name__}: {error}"
    without = Failure.NO_RUNTIME if isinstance(error, ImportError) else Failure.BAD_MODEL
    failure = Failure.MEMORY if memory.is_shortage(error) else without
    trial = Trial(
        sha256=spec.sha256,
        passed=False,
        failure=failure,
        detail=text[:500],
        ram_base_bytes=base,
        ram_peak_bytes=memory.peak_bytes(),
        emulated_gflops=spec.emulated_gflops,
    )
    return TrialLine(trial=trial)


def percentiles(values: Iterable[float], points: tuple[float, ...]) -> list[float]:
    return [float(value) for value in np.percentile(np.asarray(list(values)), points)]
