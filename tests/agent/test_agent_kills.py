"""`kill -9` of the supervisor and of workers at random moments, with applications asking and assignments coming in."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from asking import under_load
from fleet import assignment, sha256
from ports import free_port
from realagent import A, Agent, B, Controller, gone
from realbroker import RealBroker

from agent.slots import Slots
from agent.wire.messages import Reported, Telemetry

pytestmark = pytest.mark.e2e
KILLS = int(os.environ.get("HEDGEROW_KILLS", "6"))
SEED = int(os.environ.get("HEDGEROW_SEED", "1"))
SERVES_S = 90.0  # a worker that dies again and again is started after a pause, at most a minute


class Hunt:
    """One agent, its controller, and the promises that hold whatever is killed."""

    def __init__(self, agent: Agent, controller: Controller) -> None:
        self.agent, self.controller = agent, controller
        self.dice = random.Random(SEED)
        self.seq = 0
        self.windows: dict[str, set[int]] = defaultdict(set)
        self.dropped = 0

    def assign(self) -> None:
        self.seq += 1
        self.controller.assign(assignment((A, B)[self.seq % 2], self.seq, rate_hz=20.0))

    def wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        self.controller.until(lambda: time.monotonic() >= until_s, seconds + 5)
        self._hear()

    def kill(self) -> str:
        """The supervisor, or one of its workers: whoever it hits serves, is on trial, or has just been started."""
        workers = self.agent.workers()
        if not workers or self.dice.random() < 0.5:
            self.agent.end(signal.SIGKILL)
            self.controller.until(lambda: all(map(gone, workers)), 15)
            self._keeps_its_promises()
            self.agent.start()
            return "supervisor"
        os.kill(self.dice.choice(workers), signal.SIGKILL)
        return "worker"

    def serves(self) -> None:
        """What runs is whole, and a window of it arrives."""
        self._hear()
        self.controller.until(lambda: self.controller.last(Telemetry) is not None, SERVES_S)
        self._hear()
        self._keeps_its_promises()

    def _keeps_its_promises(self) -> None:
        slots = Slots(self.agent.state)
        active = slots.load().active
        assert active is not None
        assert active.sha256 in (sha256(A), sha256(B))
        assert slots.is_whole(active.sha256)

    def _hear(self) -> None:
        """Whatever was heard is acknowledged, and counts as stored."""
        for each in self.controller.heard:
            if isinstance(each, Telemetry):
                self.windows[each.boot].update(window.seq for window in each.windows)
                self.dropped += each.dropped
        self.controller.heard[:] = [each for each in self.controller.heard if isinstance(each, Reported)]


def test_random_kills_under_load_lose_neither_a_slot_nor_a_window(
    tmp_path: Path, broker: RealBroker, controller: Controller, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    agent = Agent(tmp_path, broker.port, f"http: 127.0.0.1:{port}\n")
    hunt, killed = Hunt(agent, controller), list[str]()
    agent.start()
    try:
        hunt.assign()
        controller.until(controller.reported(1), 40)
        with under_load(port, count=2) as clients:
            for _ in range(KILLS):
                if hunt.dice.random() < 0.5:
                    hunt.assign()
                hunt.wait(hunt.dice.uniform(0.0, 2.0))
                killed.append(hunt.kill())
                hunt.serves()
            hunt.assign()
            controller.until(controller.reported(hunt.seq), SERVES_S)
            hunt.wait(2.0)
        assert {"supervisor", "worker"} <= set(killed) or KILLS < 6
        assert all(each.answered for each in clients)
        assert hunt.dropped == 0
        lost = {boot: max(seqs) - len(seqs) for boot, seqs in hunt.windows.items() if max(seqs) != len(seqs)}
        assert not lost, f"windows that never arrived, by boot: {lost}"
        workers = agent.workers()
        assert agent.end(signal.SIGTERM) == 0
        assert all(map(gone, workers))
        with capsys.disabled():
            sys.stdout.write(
                f"\n{KILLS} kills, {killed.count('supervisor')} of the supervisor; {len(hunt.windows)} boots, "
                f"{sum(map(len, hunt.windows.values()))} windows, {sum(each.answered for each in clients)} answers\n"
            )
    finally:
        if agent.process is not None and agent.process.poll() is None:
            agent.process.kill()
            agent.process.wait()
