"""What sensors and host say over the intervals of workers: each window's, and each trial's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import msgspec

from agent.host import Host, Look, between
from agent.sensed import Reading, Sensed, summarise
from agent.sensors import Sensors
from agent.wire.messages import Trial

KEPT_READINGS = 1000


class Observer:
    """`sample` takes a reading now and then; `now_s` is a monotonic clock."""

    def __init__(self, sensors: Sensors, host: Host, now_s: Callable[[], float]) -> None:
        self._sensors, self._host, self._now_s = sensors, host, now_s
        self._readings = deque[tuple[float, Reading]](maxlen=KEPT_READINGS)
        self._window = host.look()
        self._trials = dict[int, Look]()

    def sample(self) -> None:
        self._readings.append((self._now_s(), self._sensors.read()))

    def window(self) -> Sensed:
        """Since the last window; the next one begins."""
        sensed, self._window = self._since(self._window)
        needed_s = min((each.at_s for each in self._trials.values()), default=self._window.at_s)
        while self._readings and self._readings[0][0] <= needed_s:
            self._readings.popleft()
        return sensed

    def begins(self, worker: int) -> None:
        """This worker's trial."""
        self._trials[worker] = self._host.look()

    def tried(self, worker: int, trial: Trial) -> Trial:
        """With how the device was meanwhile."""
        since = self._trials.pop(worker, None)
        if since is None:
            return trial
        sensed, _ = self._since(since)
        return msgspec.structs.replace(
            trial,
            frequency_hz=sensed.frequency_hz,
            throttled_share=sensed.throttled_share,
            host_busy_share=sensed.host_busy_share,
        )

    def ended(self, worker: int) -> None:
        """This worker, before its trial was over or after it."""
        self._trials.pop(worker, None)

    def _since(self, before: Look) -> tuple[Sensed, Look]:
        self.sample()
        after = self._host.look()
        load, sensed = between(before, after), summarise([each for at_s, each in self._readings if at_s > before.at_s])
        return replace(sensed, host_busy_share=load.busy_share, pressure_share=load.pressure_share), after
