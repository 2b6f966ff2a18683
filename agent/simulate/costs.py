"""What an artifact costs, for devices that only model running it: one real trial by the agent's worker."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from agent.simulate.durable import Pool
from agent.wire.work import WorkerSpec
from agent.worker.ask import TrialError, tried


class Costs:
    """The cost of each artifact of `pool`, measured once, one at a time; `measure` raises `KeyError` for what does not
    load."""

    def __init__(self, pool: Pool, measure: Callable[[str, bytes], tuple[int, float]]) -> None:
        self._pool, self._measure = pool, measure
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trial")
        self._found: dict[str, Future[tuple[int, float]]] = {}

    def __call__(self, sha256: str) -> tuple[int, float] | None:
        """See `runtime.Cost`."""
        found = self._found.get(sha256)
        if found is None:
            found = self._found[sha256] = self._thread.submit(self._measure, sha256, self._pool.whole[sha256])
        return found.result() if found.done() else None

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def trial_cost(sha256: str, artifact: bytes) -> tuple[int, float]:
    """Load and run `artifact` in a worker: its RAM above the runtime's base, and the median of its thread's CPU time,
    which is what an idle core would take. Raises `KeyError` where it does not load."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
        path = Path(folder) / "artifact"
        path.write_bytes(artifact)
        try:
            line = tried(WorkerSpec(path=str(path), sha256=sha256))
        except TrialError as error:
            raise KeyError(sha256) from error
    return (line.trial.ram_peak_bytes or 0) - (line.trial.ram_base_bytes or 0), (line.latency_cpu_p50_ms or 0.0) / 1e3
