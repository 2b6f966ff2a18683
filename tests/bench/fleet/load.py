"""Telemetry of many devices. As on a real one a device's next message waits for the acknowledgement of the last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from agent.wire.messages import Ack
from tests.bench.fleet.crowd import Crowd
from tests.bench.fleet.devices import Windows
from tests.bench.fleet.figures import summary

Row = dict[str, Any]
_AGAIN_S = 10.0
_LOOK_S = 1.0


class Load:
    """`bare`: whoever listens in the controller's place has it when the message comes, and nobody acknowledges."""

    def __init__(self, crowd: Crowd, windows: Windows, batch: int, *, bare: bool = False) -> None:
        self._crowd, self._windows, self._batch, self._bare = crowd, windows, batch, bare
        self._acks = msgspec.json.Decoder(Ack)
        self._sent = dict.fromkeys(crowd.ids, (0, 0.0))  # the highest seq of each device, and when it left
        self.acknowledged = self.again = 0
        crowd.hear("telemetry" if bare else "ack", qos=1 if bare else 0)

    def run(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> Row:
        """Windows a second to the acknowledgement, how long each message waited for it, and what this process took."""
        self._begin()
        began_s, cpu_s, before, waits = time.monotonic(), time.process_time(), self.acknowledged, list[float]()
        end_s, look_s = began_s + seconds, began_s + _LOOK_S
        while (now_s := time.monotonic()) < end_s and not enough():
            self._turn(waits)
            if now_s >= look_s:
                look_s = now_s + _LOOK_S
                self._remind(now_s)
        lasted_s = time.monotonic() - began_s
        return {
            "windows": self.acknowledged - before,
            "seconds": lasted_s,
            "windows_hz": (self.acknowledged - before) / lasted_s,
            "again": self.again,
            "generator_cores": (time.process_time() - cpu_s) / lasted_s,
            "wait": summary(waits),
        }

    def _begin(self) -> None:
        for device, (seq, when_s) in self._sent.items():
            if when_s == 0.0:
                self._send(device, seq + self._batch)

    def _turn(self, waits: list[float]) -> None:
        for device, _leaf, payload in self._crowd.turn(0.05):
            seq, when_s = self._sent[device]
            if self._bare or self._acks.decode(payload).seq >= seq:
                waits.append(time.monotonic() - when_s)
                self.acknowledged += self._batch
                self._send(device, seq + self._batch)

    def _send(self, device: str, seq: int) -> None:
        self._sent[device] = (seq, time.monotonic())
        self._crowd.say(device, "telemetry", self._windows.message(device, seq - self._batch + 1, self._batch))

    def _remind(self, now_s: float) -> None:
        """An agent too sends what was not acknowledged again after a while."""
        for device, (seq, when_s) in self._sent.items():
            if now_s - when_s > _AGAIN_S:
                self.again += 1
                self._send(device, seq)
