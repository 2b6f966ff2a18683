"""The broker is killed and comes back: how soon is everything as it would be without that?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from agent.wire.messages import Ack
from tests.bench.fleet import devices
from tests.bench.fleet.crowd import Crowd
from tests.bench.fleet.figures import summary
from tests.bench.fleet.lab import STILL, Lab

Row = dict[str, Any]
_EVERY_S = 30.0
_AGAIN_S = 10.0
_LOOK_S = 0.5
_SUCCEEDED = "SELECT count(*) FROM desired WHERE result = 'succeeded'"


def reconnect(lab: Lab, model: Path, count: int, away_s: float) -> Row:
    """Each device by a connection of its own, all of them back at once, each with the windows that it closed meanwhile.

    A rollout of all is started right before the broker dies, so that assignments are on their way, and others could not
    leave. What was acknowledged at any time is looked for afterwards, and every device is to run what it was told to.
    """
    ref = lab.fleet(count, model, **STILL)
    with lab.crowd(devices.ids(count), connections=count) as crowd:
        before = Homecoming(lab, crowd, first=1, windows=1)
        before.arrive()
        before.until_kept()
        lab.client.start_rollout(ref, "", [1.0], allow_unverified=True)
        before.turn()
        lab.broker.stop()
    time.sleep(away_s)
    lab.broker.begin()
    began_s = time.monotonic()
    with lab.crowd(devices.ids(count), connections=count) as crowd:
        connected_s = time.monotonic() - began_s
        home = Homecoming(lab, crowd, first=2, windows=1 + int(away_s / _EVERY_S))
        home.arrive()
        kept_s = home.until_kept() - began_s
        succeeded_s = home.until_succeeded() - began_s
    acknowledged = before.kept + home.kept
    row: Row = {"connected_s": connected_s, "kept_s": kept_s, "succeeded_s": succeeded_s, "away_s": away_s}
    return row | {"wait": summary(home.waits), "again": home.again, "missing": max(acknowledged - lab.windows(), 0)}


class Homecoming:
    """Devices that have just connected: each says who it is, and sends `windows` windows from number `first` on."""

    def __init__(self, lab: Lab, crowd: Crowd, first: int, windows: int) -> None:
        self._lab, self._crowd, self._first, self._windows = lab, crowd, first, windows
        self._acks, self._drawn = msgspec.json.Decoder(Ack), devices.Windows(None)
        self._left = dict[str, float]()  # when the message of who was not acknowledged yet left
        self._began_s = time.monotonic()
        self.waits, self.kept, self.again = list[float](), 0, 0

    def arrive(self) -> None:
        self._began_s = time.monotonic()
        for leaf, qos in (("desired", 1), ("ack", 0)):
            self._crowd.hear(leaf, qos)
        for device in self._crowd.ids:
            self._crowd.say(device, "info", devices.info(device), retain=True)
            self._crowd.say(device, "status", devices.status(device), retain=True)
            self._send(device)

    def until_kept(self) -> float:
        """Every window is acknowledged; when that was."""
        while self._left:
            self._lab.until.check(f"{len(self._left):,} devices without an acknowledgement")
            self.turn()
        return time.monotonic()

    def until_succeeded(self) -> float:
        """Every device runs what it was told to, and the controller knows it."""
        look_s = 0.0
        while True:
            self.turn()
            if time.monotonic() >= look_s:
                if (found := self._lab.count(_SUCCEEDED)) >= len(self._crowd.ids):
                    return time.monotonic()
                self._lab.until.check(f"{found:,} devices have succeeded")
                look_s = time.monotonic() + _LOOK_S

    def turn(self) -> None:
        for device, leaf, payload in self._crowd.turn(0.05):
            if leaf == "desired":
                told = devices.told(payload)
                self._crowd.say(device, "reported", devices.answer(device, told), retain=True)
            elif device in self._left and self._acks.decode(payload).seq >= self._first + self._windows - 1:
                del self._left[device]
                self.kept += self._windows
                self.waits.append(time.monotonic() - self._began_s)
        now_s = time.monotonic()
        for device in [each for each, when_s in self._left.items() if now_s - when_s > _AGAIN_S]:
            self.again += 1
            self._send(device)

    def _send(self, device: str) -> None:
        self._left[device] = time.monotonic()
        self._crowd.say(device, "telemetry", self._drawn.message(device, self._first, self._windows))
