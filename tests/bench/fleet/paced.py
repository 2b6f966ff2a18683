"""Telemetry as a fleet in service sends it: each device closes a window every so often, whoever is behind with it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import msgspec

from agent.perform import BATCH_WINDOWS
from agent.wire.messages import Ack
from tests.bench.fleet.crowd import Crowd
from tests.bench.fleet.devices import Windows
from tests.bench.fleet.figures import summary

Row = dict[str, Any]
_ACK_S = 10.0
_DRAIN_S = 30.0


class Paced:
    """Each device at a moment of its own, all of them within `every_s`. As an agent does, a device has one message
    under way: what it closes meanwhile is the next one, and what was not acknowledged in time it sends again."""

    def __init__(self, crowd: Crowd, windows: Windows, every_s: float) -> None:
        self._crowd, self._windows, self._every_s = crowd, windows, every_s
        self._acks = msgspec.json.Decoder(Ack)
        self._at = {device: number for number, device in enumerate(crowd.ids)}
        self._closed, self._acknowledged = Counter[str](), Counter[str]()
        self._under_way = dict[str, tuple[int, float]]()  # the highest seq of each device's message, and when it left
        self._began_s = 0.0
        self.again = self.largest = 0
        crowd.hear("ack", qos=0)

    def run(self, seconds: float) -> Row:
        """How long each window waited from its end until its device knew that it is kept."""
        self._began_s, closed, waits = time.monotonic(), 0, list[float]()
        rate_hz, cpu_s, ids = len(self._crowd.ids) / self._every_s, time.process_time(), self._crowd.ids
        while (lasted_s := time.monotonic() - self._began_s) < seconds:
            due = int(lasted_s * rate_hz)
            for number in range(closed, due):
                self._close(ids[number % len(ids)])
            closed = due
            self._turn(waits)
        cores = (time.process_time() - cpu_s) / lasted_s
        kept = len(waits)
        while self._under_way and time.monotonic() < self._began_s + lasted_s + _DRAIN_S:
            self._turn(waits)
        return {
            "closed_hz": closed / lasted_s,
            "windows_hz": kept / lasted_s,
            "seconds": lasted_s,
            "left": closed - len(waits),
            "again": self.again,
            "largest": self.largest,
            "generator_cores": cores,
            "wait": summary(waits),
        }

    def _close(self, device: str) -> None:
        self._closed[device] += 1
        if device not in self._under_way:
            self._send(device)

    def _send(self, device: str) -> None:
        first = self._acknowledged[device] + 1
        count = min(self._closed[device] - first + 1, BATCH_WINDOWS)
        self.largest = max(self.largest, count)
        self._under_way[device] = (first + count - 1, time.monotonic())
        self._crowd.say(device, "telemetry", self._windows.message(device, first, count))

    def _turn(self, waits: list[float]) -> None:
        for device, _leaf, payload in self._crowd.turn(0.01):
            sent = self._under_way.get(device)
            if sent is not None and self._acks.decode(payload).seq >= sent[0]:
                self._kept(device, sent[0], waits)
        now_s = time.monotonic()
        while self._under_way:  # in the order in which they left
            device, (_, when_s) = next(iter(self._under_way.items()))
            if now_s - when_s < _ACK_S:
                break
            del self._under_way[device]
            self.again += 1
            self._send(device)

    def _kept(self, device: str, highest: int, waits: list[float]) -> None:
        now_s, all_of_them = time.monotonic() - self._began_s, len(self._crowd.ids)
        for seq in range(self._acknowledged[device], highest):
            waits.append(now_s - (seq * all_of_them + self._at[device]) * self._every_s / all_of_them)
        self._acknowledged[device] = highest
        del self._under_way[device]
        if self._closed[device] > highest:
            self._send(device)
