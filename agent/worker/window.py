"""One telemetry interval of a worker, summed up as inferences come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from agent.wire.work import WindowLine
from agent.worker import memory
from agent.worker.histogram import Histogram


@dataclass(slots=True)
class Window:
    """From now on; `emulated` tells how its latencies came about."""

    emulated: bool
    began_s: float = field(default_factory=time.monotonic)
    cpu_began_s: float = field(default_factory=time.process_time)
    asked: int = 0
    count: int = 0
    errors: int = 0
    shed: int = 0
    busy_s: float = 0.0
    cpu_s: float = 0.0
    waited_s: float = 0.0
    latencies: Histogram = field(default_factory=Histogram)
    waits: Histogram = field(default_factory=Histogram)

    def add(self, latency_s: float, cpu_s: float, waited_s: float) -> None:
        """An inference, with its processor time and how long it waited for its turn."""
        self._run(waited_s)
        self.busy_s += latency_s
        self.cpu_s += cpu_s
        self.latencies.add(latency_s)

    def add_error(self, waited_s: float) -> None:
        self._run(waited_s)
        self.errors += 1

    def _run(self, waited_s: float) -> None:
        self.count += 1
        self.waited_s += waited_s
        self.waits.add(waited_s)

    def close(self) -> WindowLine:
        good = self.count - self.errors
        p50, p95, p99 = (self._ms(self.latencies.quantile(share)) for share in (0.5, 0.95, 0.99))
        return WindowLine(
            duration_s=time.monotonic() - self.began_s,
            count=self.count,
            errors=self.errors,
            busy_s=self.busy_s,
            cpu_s=time.process_time() - self.cpu_began_s,
            rss_bytes=memory.rss_bytes(),
            ram_peak_bytes=memory.peak_bytes(),
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            latency_p99_ms=p99,
            latency_mean_ms=self._ms(self.busy_s / good if good else None),
            latency_source="emulated" if self.emulated else "measured",
            cpu_per_inference_s=None if self.emulated or not good else self.cpu_s / good,
            asked=self.asked,
            shed=self.shed,
            queue_mean_ms=self._ms(self.waited_s / self.count if self.count else None),
            queue_p95_ms=self._ms(self.waits.quantile(0.95)),
        )

    @staticmethod
    def _ms(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * 1e3
