"""A rollout over the whole fleet: who is assigned when, as the devices themselves see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench.fleet import devices
from tests.bench.fleet.crowd import Crowd
from tests.bench.fleet.lab import STILL, Lab

Row = dict[str, Any]
_MODEL = "waves"
_PLACED = "SELECT count(*) FROM placements"
_LOOK_S = 0.25


class Answering:
    """Devices that run what they are told to, at once. `when_s` is when each had its first assignment."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self.when_s, self.sha256 = crowd, dict[str, float](), dict[str, str]()
        crowd.hear("desired", qos=1)

    def turn(self) -> None:
        for device, _leaf, payload in self._crowd.turn(0.05):
            self.when_s.setdefault(device, time.monotonic())
            told = devices.told(payload)
            self.sha256[device] = told.sha256
            self._crowd.say(device, "reported", devices.answer(device, told), retain=True)

    def until(self, lab: Lab, done: Callable[[], bool]) -> None:
        """Look every now and then whether it is so."""
        look_s = 0.0
        while True:
            self.turn()
            if time.monotonic() >= look_s:
                if done():
                    return
                look_s = time.monotonic() + _LOOK_S
            lab.until.check(f"{len(self.when_s):,} devices assigned")


def rolled_out(lab: Lab, crowd: Crowd) -> Answering:
    """Every device runs the model and has said so, and the rollout runs on, as all of them soak."""
    answering = Answering(crowd)
    answered = "SELECT count(*) FROM desired WHERE result = 'succeeded'"
    with ThreadPoolExecutor(1) as pool:
        asked = _ask(lab, pool)
        answering.until(lab, lambda: asked.done() and lab.count(answered) >= len(crowd.ids))
        asked.result()
    return answering


def rollout(lab: Lab, model: Path, count: int) -> Row:
    """Seconds from the request. The last one is when the last device has it: the broker confirmed it before."""
    lab.fleet(count, model, **STILL)
    placed = list[float]()

    def all_placed() -> bool:
        if not placed and lab.count(_PLACED) >= count:
            placed.append(time.monotonic())
        return bool(placed) and len(answering.when_s) >= count

    with lab.crowd(devices.ids(count)) as crowd, ThreadPoolExecutor(1) as pool:
        answering = Answering(crowd)
        began_s = time.monotonic()
        asked = _ask(lab, pool)
        answering.until(lab, all_placed)
        asked.result()
    when_s = answering.when_s.values()
    return {"first_s": min(when_s) - began_s, "placed_s": placed[0] - began_s, "last_s": max(when_s) - began_s}


def _ask(lab: Lab, pool: ThreadPoolExecutor) -> Future[Row]:
    """One wave. In a thread: whoever asks waits, and the devices do not."""
    return pool.submit(lab.client.start_rollout, _MODEL, "", [1.0], allow_unverified=True)
